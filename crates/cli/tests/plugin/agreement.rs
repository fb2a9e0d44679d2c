//! `lint` and a real API server judge the same manifests: good ones of the tables, each changed in one or two places by chance.

use anyhow::Context as _;
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use kube::api::{PostParams, Request};
use serde_json::{Value, json};

use crate::objects::World;
use crate::run::{offline, stream};
use crate::{authorizer, endpoint, runtime, session};

/// Manifests that are tried.
const TRIED: usize = 1500;

/// Chance that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Every place in a value, by JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (step, value) in below {
        let at = format!("{at}/{step}");
        found.push(at.clone());
        places(value, &at, found);
    }
}

/// Changes one place of `spec` or of the metadata.
fn change(object: &mut Value, chance: &mut Chance) -> String {
    let mut all = Vec::new();
    places(&object["spec"], "/spec", &mut all);
    all.extend(
        [
            "/metadata/name",
            "/metadata/labels",
            "/metadata/annotations",
            "/spec",
        ]
        .map(str::to_owned),
    );
    let at = all[chance.below(all.len())].clone();
    let before = object.pointer(&at).cloned().unwrap_or_default();
    let text = before.as_str().unwrap_or("text").to_owned();
    let value = match chance.below(18) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!("x"),
        3 => json!(-1),
        4 => json!(99_999_999),
        5 => json!(true),
        6 => json!([]),
        7 => json!({}),
        8 => json!(["a", "a"]),
        9 => json!({ "unknown": 1 }),
        10 => json!(text.to_uppercase()),
        11 => json!(text.clone() + "\u{a0}"),
        12 => json!(text.repeat(300)),
        13 => json!(text + "ö"),
        14 => json!(1.5),
        15 => json!({"a": "b", "c d": "e f", "aws:x": "y"}),
        16 => match before {
            // The first item once more.
            Value::Array(mut items) => {
                items.extend(items.first().cloned());
                Value::Array(items)
            }
            _ => json!("300h"),
        },
        _ => match before {
            Value::Object(mut fields) => {
                fields.insert("unknown".to_owned(), json!("field"));
                Value::Object(fields)
            }
            _ => json!("8443"),
        },
    };
    let (parent, last) = at.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.insert(last, value.clone())),
        Some(Value::Array(items)) => items[last.parse::<usize>().unwrap()] = value.clone(),
        _ => {}
    }
    format!("{at} = {value}")
}

/// Whether the API server takes it, with fields that it does not know refused; else why not.
async fn judged(world: &World, object: &Value) -> anyhow::Result<Option<String>> {
    let plural = object["kind"].as_str().unwrap_or_default().to_lowercase() + "s";
    let request = Request::new(format!(
        "/apis/agentcore.dev/v1alpha1/namespaces/default/{plural}"
    ));
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut request = request.create(&params, serde_json::to_vec(object)?)?;
    let uri = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = uri.parse()?;
    match world.client.request::<Value>(request).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if [400, 422].contains(&status.code) => {
            Ok(Some(status.message))
        }
        Err(other) => Err(other).context(object.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lint_and_the_api_server_agree_about_manifests_that_were_changed_by_chance()
-> anyhow::Result<()> {
    let world = World::new().await?;
    let tables = [
        runtime::cases(),
        authorizer::cases(),
        endpoint::cases(),
        session::cases(),
    ];
    let good: Vec<Value> = tables
        .into_iter()
        .flatten()
        .filter(|case| case.refused.is_none())
        .map(|case| case.object)
        .collect();
    let mut chance = Chance(4_242);
    let (mut objects, mut titles) = (Vec::new(), Vec::new());
    for _ in 0..TRIED {
        let mut object = good[chance.below(good.len())].clone();
        // Mostly one: two at once are nearly always refused.
        let changes = 1 + chance.below(3) / 2;
        let title: Vec<String> = (0..changes)
            .map(|_| change(&mut object, &mut chance))
            .collect();
        titles.push(format!("{}: {}", object["kind"], title.join("; ")));
        objects.push(object);
    }
    let verdicts: Vec<Option<String>> = iter(objects.iter().map(|object| judged(&world, object)))
        .buffered(16)
        .try_collect()
        .await?;
    world.cluster.stop().await?;

    let ran = offline(&["lint", "-o", "json", "-"], &stream(&objects));
    let report: Value = serde_json::from_str(&ran.out).with_context(|| ran.err.clone())?;
    let of_line = |line: usize| -> Vec<String> {
        let findings = report["findings"].as_array().into_iter().flatten();
        let here =
            findings.filter(|finding| finding["line"] == line && finding["by"] == "ApiServer");
        here.map(|finding| format!("{}: {}", finding["field"], finding["message"]))
            .collect()
    };
    let (mut refused, mut wrong) = (0, Vec::new());
    for (at, (title, verdict)) in titles.iter().zip(&verdicts).enumerate() {
        let said = of_line(2 * (at + 1));
        refused += usize::from(verdict.is_some());
        match verdict {
            None if !said.is_empty() => {
                wrong.push(format!("{title}\n  taken, and lint says {said:?}"));
            }
            Some(why) if said.is_empty() => wrong.push(format!("{title}\n  lint takes it: {why}")),
            _ => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {TRIED}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        (TRIED / 5..TRIED * 19 / 20).contains(&refused),
        "{refused} of {TRIED} refused: the changes are too weak or too strong"
    );
    Ok(())
}
