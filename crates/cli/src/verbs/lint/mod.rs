//! `lint`: manifests as the API server and the operator would judge them, without either.

mod finding;
mod lists;
mod metadata;
mod patterns;
mod planner;
mod rules;
mod schema;

use std::collections::HashMap;

use agentcore_api::{GROUP, Kind, VERSION};
use serde::Serialize;
use serde_json::Value;

use crate::args::{self, Format};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::manifests::{self, Document, documents};
use crate::objects::alike;
use crate::output::{lines, remark};
use finding::{Finding, Found, Judge, dotted};
use metadata::Metadata;
use rules::Rules;
use schema::{Schema, without_nulls};

/// What became of all files.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Objects of agentcore.dev.
    pub checked: usize,
    /// Other objects.
    pub skipped: usize,
}

/// Checks manifests.
pub fn run(args: &args::Lint, context: &Context) -> Result<Outcome, Error> {
    let files = manifests::read(&args.paths)?;
    let linter = Linter::new()?;
    let mut report = Report::default();
    for file in &files {
        let (found, broken) = documents(file);
        for document in &found {
            linter.check(document, &mut report)?;
        }
        report.findings.extend(broken.map(|broken| Finding {
            file: file.name.clone(),
            by: Judge::ApiServer,
            line: broken.line,
            object: String::new(),
            field: String::new(),
            message: broken.message,
        }));
    }
    if let Some(format @ (Format::Json | Format::Yaml)) = args.output {
        context.output.value(format, &report)?;
    } else {
        context.output.print(&lines(&report.findings))?;
        remark(&summary(&report, files.len()));
    }
    Ok(if report.findings.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn summary(report: &Report, files: usize) -> String {
    let count = |number: usize, word: &str| {
        format!("{number} {word}{}", if number == 1 { "" } else { "s" })
    };
    let skipped = match report.skipped {
        0 => String::new(),
        number => format!(", {} of other kinds skipped", count(number, "object")),
    };
    format!(
        "{} in {} of {} checked{skipped}",
        count(report.findings.len(), "finding"),
        count(report.checked, "object"),
        count(files, "file"),
    )
}

/// The kind that only administrators write.
const GRANT: &str = "AgentGrant";

/// Everything that objects are held against.
pub struct Linter {
    kinds: HashMap<Kind, (Schema, Rules)>,
    /// Of AgentGrants, which no other verb knows: they are for administrators.
    grant: Option<(Schema, Rules)>,
    metadata: Metadata,
}

impl Linter {
    /// Makes it ready: once for all manifests.
    pub fn new() -> Result<Self, Error> {
        let (mut kinds, mut grant) = (HashMap::new(), None);
        for crd in agentcore_api::crds() {
            let name = &crd.spec.names.kind;
            let version = crd
                .spec
                .versions
                .iter()
                .find(|version| version.name == VERSION);
            let schema = version
                .and_then(|version| version.schema.as_ref())
                .and_then(|schema| schema.open_api_v3_schema.as_ref())
                .and_then(|schema| serde_json::to_value(schema).ok())
                .ok_or_else(|| Error::Failed(format!("this plugin has no schema for {name}")))?;
            let rules = Rules::new(&schema);
            let judges = (Schema::new(schema)?, rules);
            match Kind::from_name(name) {
                Some(kind) => drop(kinds.insert(kind, judges)),
                None if name == GRANT => grant = Some(judges),
                None => {}
            }
        }
        Ok(Self {
            kinds,
            grant,
            metadata: Metadata::new()?,
        })
    }

    fn check(&self, document: &Document, report: &mut Report) -> Result<(), Error> {
        let text = |field: &str| {
            document
                .value
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if group != GROUP {
            report.skipped += 1;
            return Ok(());
        }
        report.checked += 1;
        let found = match (version == VERSION, Kind::from_name(kind)) {
            (false, _) => vec![Found::at(
                &["apiVersion".to_owned()],
                format!("{GROUP} has no version {version:?}: use {GROUP}/{VERSION}"),
            )],
            (true, None) if kind == GRANT && self.grant.is_some() => {
                let object = document.value.clone();
                self.judged(self.grant.as_ref(), object)?.0
            }
            (true, None) => {
                let hint = alike(kind, &Kind::ALL, |one| one.as_str()).map_or_else(
                    || format!("use one of {}", Kind::ALL.map(Kind::as_str).join(", ")),
                    |one| format!("did you mean {}?", one.as_str()),
                );
                vec![Found::at(
                    &["kind".to_owned()],
                    format!("{GROUP} has no kind {kind:?}; {hint}"),
                )]
            }
            (true, Some(kind)) => self.object(kind, document.value.clone())?,
        };
        let name = document
            .value
            .pointer("/metadata/name")
            .and_then(Value::as_str);
        let object = name.map_or_else(|| kind.to_owned(), |name| format!("{kind}/{name}"));
        let mut findings: Vec<Finding> = found
            .into_iter()
            .map(|found| Finding {
                file: document.file.clone(),
                by: found.by,
                line: document.lines.of(&found.path),
                object: object.clone(),
                field: dotted(&found.path),
                message: found.message,
            })
            .collect();
        findings
            .sort_by(|a, b| (a.line, &a.field, &a.message).cmp(&(b.line, &b.field, &b.message)));
        findings.dedup();
        report.findings.extend(findings);
        Ok(())
    }

    /// What is wrong with an object of ours.
    pub fn object(&self, kind: Kind, object: Value) -> Result<Vec<Found>, Error> {
        let (mut found, object, shaped) = self.judged(self.kinds.get(&kind), object)?;
        // The planner reads only what the API server lets through.
        if shaped && found.is_empty() {
            let refused = planner::check(kind, &object).into_iter();
            found.extend(refused.map(|found| Found {
                by: Judge::Operator,
                ..found
            }));
        }
        Ok(found)
    }

    /// What the API server would refuse, the object without its nulls, and whether it has the shape of its kind.
    fn judged(
        &self,
        judges: Option<&(Schema, Rules)>,
        mut object: Value,
    ) -> Result<(Vec<Found>, Value, bool), Error> {
        let Some((schema, rules)) = judges else {
            return Err(Error::Failed(
                "this plugin has no schema for this kind".to_owned(),
            ));
        };
        without_nulls(&mut object, &schema.source);
        let mut found = self.metadata.check(&object);
        let (of_schema, sound) = schema.check(&object);
        let shaped = of_schema.is_empty();
        found.extend(of_schema);
        found.extend(lists::check(&schema.source, &object));
        if sound {
            found.extend(rules.check(&object)?);
        }
        Ok((found, object, shaped))
    }
}
