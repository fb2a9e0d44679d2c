//! Writes the API reference, one page for each kind, from the CustomResourceDefinitions and the examples.
//!
//! A page says what the schema says and nothing else. What the fields do is told by the pages of the guide, to which [`GUIDES`] leads.

mod examples;
mod schema;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use examples::Examples;
use schema::{Field, Rule, fields, required, rules};

/// Where the fields of a kind are explained: the kind, its field, and links below docs/.
const GUIDES: &[(&str, &str, &str)] = &[
    (
        "AgentRuntime",
        "adopt",
        "[adopt a runtime](../how-to/adopt.md)",
    ),
    (
        "AgentRuntime",
        "artifact",
        "[images and code](../images.md)",
    ),
    (
        "AgentRuntime",
        "authorizer",
        "[callers with a token of their own](../gateway.md#who-may-call)",
    ),
    (
        "AgentRuntime",
        "deletionPolicy",
        "[ownership](../concepts.md#ownership)",
    ),
    (
        "AgentRuntime",
        "env",
        "[values from elsewhere](../versions.md#values-from-secrets-and-configmaps)",
    ),
    (
        "AgentRuntime",
        "envFrom",
        "[values from elsewhere](../versions.md#values-from-secrets-and-configmaps)",
    ),
    (
        "AgentRuntime",
        "executionRole",
        "[execution roles](../iam/README.md#execution-roles), [which are granted](../grants.md)",
    ),
    (
        "AgentRuntime",
        "region",
        "[several regions](../how-to/regions.md)",
    ),
    (
        "AgentRuntime",
        "revisionHistoryLimit",
        "[old versions](../versions.md#old-versions)",
    ),
    (
        "AgentRuntime",
        "sessions",
        "[sessions and rolls](../sessions.md)",
    ),
    (
        "AgentEndpoint",
        "sessions",
        "[sessions and rolls](../sessions.md)",
    ),
    ("AgentGrant", "namespaces", "[grants](../grants.md)"),
    ("AgentEndpoint", "version", "[concepts](../concepts.md)"),
    (
        "AgentSession",
        "keepAlive",
        "[declared sessions](../declared-sessions.md#its-life)",
    ),
];

/// Writes `docs/reference/*.md` below `root`; the examples are read from the working folder, which is the repository's root.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("docs/reference");
    std::fs::create_dir_all(&folder)?;
    let examples = Examples::read(Path::new("examples/fields"))?;
    for (name, text) in pages(&examples)? {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The pages, by file name.
fn pages(examples: &Examples) -> anyhow::Result<Vec<(String, String)>> {
    agentcore_api::crds()
        .iter()
        .map(|crd| {
            let crd = serde_json::to_value(crd)?;
            let kind = crd["spec"]["names"]["kind"].as_str().context("a kind")?;
            let text = page(kind, &crd, examples).with_context(|| kind.to_owned())?;
            Ok((format!("{}.md", kind.to_ascii_lowercase()), text))
        })
        .collect()
}

fn page(kind: &str, crd: &Value, examples: &Examples) -> anyhow::Result<String> {
    let version = &crd["spec"]["versions"][0];
    let properties = &version["schema"]["openAPIV3Schema"]["properties"];
    let spec = &properties["spec"];
    let rules = rules("spec", spec);
    let mut page = String::new();
    head(&mut page, kind, crd);

    page.push_str("\n## Spec\n");
    across(&mut page, kind, &rules);
    for (name, schema) in spec["properties"]
        .as_object()
        .context("a spec with fields")?
    {
        writeln!(page, "\n### spec.{name}\n")?;
        table(&mut page, &fields(name, schema, required(spec, name)));
        refusals(&mut page, rules.iter().filter(|rule| rule.field == *name));
        let guides = GUIDES
            .iter()
            .filter(|(of, field, _)| *of == kind && field == name);
        for (_, _, link) in guides {
            writeln!(page, "\nMore: {link}.")?;
        }
        let shown = examples.of(kind, name);
        anyhow::ensure!(
            !shown.is_empty(),
            "no example shows spec.{name}: add one to examples/fields/"
        );
        for example in shown {
            let (file, text) = (&example.file, example.block(name));
            writeln!(
                page,
                "\n`examples/fields/{file}`: {}\n\n```yaml\n{text}```",
                example.says
            )?;
        }
    }

    let status = &properties["status"]["properties"];
    if status.is_null() {
        return Ok(page);
    }
    page.push_str("\n## Status\n\nWritten by the operator alone.\n\n| field | type | meaning |\n|---|---|---|\n");
    for (name, schema) in status.as_object().context("a status with fields")? {
        let rows = fields(name, schema, false);
        // Kubernetes' own type: its fields are the same everywhere.
        let rows = if name == "conditions" {
            &rows[..1]
        } else {
            &rows
        };
        for row in rows {
            let (path, kind, meaning) = (&row.path, &row.kind, &row.meaning);
            // Some descriptions name the values already.
            let values = row.values.as_deref().filter(|_| !meaning.contains('`'));
            let one_of = values.map_or_else(String::new, |values| format!(" One of {values}."));
            writeln!(page, "| `{path}` | {kind} | {meaning}{one_of} |")?;
        }
    }
    page.push_str("\nConditions and their reasons have [a page of their own](../conditions-and-reasons.md).\n");
    Ok(page)
}

fn head(page: &mut String, kind: &str, crd: &Value) {
    let names = &crd["spec"]["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = &crd["spec"]["versions"][0];
    let description = text(&version["schema"]["openAPIV3Schema"]["description"]);
    let short: Vec<String> = names["shortNames"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| format!("`{}`", text(name)))
        .collect();
    let columns: Vec<String> = version["additionalPrinterColumns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|column| {
            let wide = column["priority"]
                .as_i64()
                .is_some_and(|priority| priority > 0);
            text(&column["name"]) + if wide { " (wide)" } else { "" }
        })
        .collect();
    let group = format!("{}/{}", text(&crd["spec"]["group"]), text(&version["name"]));
    let _ = write!(
        page,
        "<!-- Generated by `make generate` from the types in crates/api: do not edit. -->\n\n# {kind}\n\n{description}\n\n\
         `apiVersion: {group}`, `kind: {kind}`; for kubectl `{}` or {}{}. Columns: {}.\n",
        text(&names["plural"]),
        short.join(", "),
        if names["categories"].is_array() {
            ", or `agentcore` for all kinds"
        } else {
            ""
        },
        columns.join(", ")
    );
}

/// What holds between fields, and what is fixed.
fn across(page: &mut String, kind: &str, rules: &[Rule]) {
    let fixed: Vec<String> = rules
        .iter()
        .filter(|rule| rule.fixes)
        .map(|rule| format!("`spec.{}`", rule.field))
        .collect();
    if !fixed.is_empty() {
        let _ = writeln!(
            page,
            "\n**Fixed at creation**: {}. All other fields of an {kind} may change at any time.",
            fixed.join(", ")
        );
    }
    refusals(page, rules.iter().filter(|rule| rule.field.is_empty()));
}

/// What the API server says when a rule does not hold, and the rule.
fn refusals<'a>(page: &mut String, rules: impl Iterator<Item = &'a Rule>) {
    let mut rules = rules.peekable();
    if rules.peek().is_some() {
        page.push_str("\nRefused, with these words, where the rule does not hold:\n\n");
    }
    for rule in rules {
        let _ = writeln!(page, "- {}: `{}`", rule.message, rule.cel);
    }
}

fn table(page: &mut String, rows: &[Field]) {
    page.push_str("| field | type | required | limits | meaning |\n|---|---|---|---|---|\n");
    for row in rows {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            row.path,
            row.kind,
            if row.required { "yes" } else { "" },
            row.limits,
            row.meaning
        );
    }
}
