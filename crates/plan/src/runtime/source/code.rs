//! Code in S3: the object's version is fixed once, or as `follow` sees it change.

use std::ops::ControlFlow;
use std::time::Duration;

use agentcore_api::AgentRuntime;
use agentcore_api::reasons;
use agentcore_api::runtime::{Artifact, Code, CodeFollow, CodeStatus, S3Location};
use agentcore_api::values::parse_duration;

use super::super::pass::Pass;
use super::super::wish::Wish;
use super::{Again, Flow, There, ask, get, next_look, refused, request, say, stand_by, there};
use crate::image::{Freshness, ObjectHead, Read, Trouble};

/// Time between looks where nothing is said.
const INTERVAL: Duration = Duration::from_mins(5);

/// The code that the status says is used, and the ETag that stands for its content where it has no version.
pub(super) fn recorded(object: &AgentRuntime, code: Code) -> (Code, Option<String>) {
    let record = object.status.as_ref().and_then(|it| it.code.as_ref());
    match record.filter(|record| record.given == given(&code.s3)) {
        Some(record) if code.s3.version_id.is_none() => fixed(&code, record),
        _ => (code, None),
    }
}

/// The code with the version on record.
fn fixed(code: &Code, record: &CodeStatus) -> (Code, Option<String>) {
    let etag = record.etag.clone().filter(|_| record.version_id.is_none());
    let code = Code {
        s3: S3Location {
            version_id: record.version_id.clone(),
            ..code.s3.clone()
        },
        follow: None,
        ..code.clone()
    };
    (code, etag)
}

/// What the spec says: an edit of any of it is a new object.
fn given(s3: &S3Location) -> String {
    let S3Location {
        bucket,
        prefix,
        version_id,
    } = s3;
    let version = version_id.as_ref();
    let version = version.map_or_else(String::new, |version| format!("?versionId={version}"));
    format!("s3://{bucket}/{prefix}{version}")
}

pub(super) fn settle<'a>(mut pass: Pass<'a>, wish: Wish, code: &'a Code) -> Flow<'a> {
    pass.desk.status.image = None;
    let interval = match interval(code.follow.as_ref()) {
        Ok(interval) => interval,
        Err(problem) => return refused(pass, problem),
    };
    let (given, request) = (given(&code.s3), request(pass.view.object));
    let before = pass.desk.status.code.clone().unwrap_or_default();
    if code.s3.version_id.is_some() {
        let previous = before
            .version_id
            .filter(|one| Some(one) != code.s3.version_id.as_ref());
        pass.desk.status.code = Some(CodeStatus {
            given,
            version_id: code.s3.version_id.clone(),
            previous_version_id: previous.or(before.previous_version_id),
            last_resolve_request: request.cloned(),
            ..CodeStatus::default()
        });
        say(
            &mut pass,
            true,
            reasons::RESOLVED,
            "the object is written with its version",
        );
        return go(pass, wish, code, Again::default());
    }
    if before.given != given && before.version_id.is_none() && before.etag.is_none() {
        // Nothing on record: the version that AWS has of this object stays.
        match there(&pass) {
            There::Ask(id) => return get(pass, id),
            There::Fault(fault) => {
                let serving = pass.steady;
                return ControlFlow::Break(pass.desk.fault(fault, serving));
            }
            There::Found(runtime) => {
                let s3 = runtime.config.artifact.code.as_ref().map(|code| &code.s3);
                let same =
                    |s3: &&S3Location| s3.bucket == code.s3.bucket && s3.prefix == code.s3.prefix;
                if let Some(version) = s3.filter(same).and_then(|s3| s3.version_id.clone()) {
                    pass.desk.status.code = Some(CodeStatus {
                        given: given.clone(),
                        version_id: Some(version),
                        last_resolve_request: request.cloned(),
                        ..CodeStatus::default()
                    });
                }
            }
            There::Nothing => {}
        }
    }
    let record = pass.desk.status.code.clone().unwrap_or_default();
    let known = record.given == given && (record.version_id.is_some() || record.etag.is_some());
    let asked = request.is_some() && request != record.last_resolve_request.as_ref();
    if known && !asked && code.follow.is_none() {
        return stay(pass, wish, code, Again::default());
    }
    let freshness = match (&code.follow, asked) {
        (Some(_), false) if known => Freshness::Within(interval),
        _ => Freshness::Now,
    };
    let head = match &pass.view.facts.source.object {
        None => {
            let read = Read::Object {
                bucket: code.s3.bucket.clone(),
                key: code.s3.prefix.clone(),
                region: wish.region.clone(),
                freshness,
            };
            return ask(pass, read);
        }
        Some(Err(trouble)) if known => {
            let (trouble, now) = (trouble.clone(), pass.desk.now);
            say(&mut pass, false, trouble.reason, &trouble.message);
            let again = match trouble.again {
                Some(at) => Again::at(now, at),
                None => Again(Some(crate::desk::SLOW)),
            };
            return go(pass, wish, code, again);
        }
        Some(Err(trouble)) => {
            let trouble: Trouble = trouble.clone();
            return ControlFlow::Break(stand_by(pass, &trouble));
        }
        Some(Ok(head)) => head.clone(),
    };
    let again = match &code.follow {
        Some(_) => Again::at(pass.desk.now, next_look(&pass, head.at, interval)),
        None => Again::default(),
    };
    take(&mut pass, given, &record, head, request.cloned());
    stay(pass, wish, code, again)
}

fn interval(follow: Option<&CodeFollow>) -> Result<Duration, String> {
    let text = follow.and_then(|follow| follow.interval.as_deref());
    text.map_or(Ok(INTERVAL), |text| {
        parse_duration(text)
            .map(|seconds| Duration::from_secs(u64::from(seconds)))
            .map_err(|error| format!("spec.artifact.code.follow.interval: {error}"))
    })
}

/// Notes what the object is now.
fn take(
    pass: &mut Pass<'_>,
    given: String,
    record: &CodeStatus,
    head: ObjectHead,
    request: Option<String>,
) {
    let ObjectHead {
        version_id,
        etag,
        last_modified,
        at: _,
    } = head;
    let same_place = record.given == given;
    let known = same_place && (record.version_id.is_some() || record.etag.is_some());
    let same = known
        && record.version_id == version_id
        && record.etag.as_ref().is_none_or(|before| *before == etag);
    if !same {
        let what = version_id.as_deref().unwrap_or(&etag);
        let text = format!("{given} is {what} now");
        pass.desk.event(false, reasons::IMAGE_PICKED, text);
    }
    // What runs unfixed is taken to be what is there at the first look: it is not updated for that alone.
    let exists = pass.desk.status.id.is_some();
    let applied = record
        .applied_etag
        .clone()
        .or_else(|| (exists && !known).then(|| etag.clone()));
    pass.desk.status.code = Some(CodeStatus {
        previous_version_id: if record.version_id == version_id {
            record.previous_version_id.clone()
        } else {
            record.version_id.clone()
        },
        given,
        version_id,
        etag: Some(etag),
        applied_etag: applied,
        last_modified: last_modified.map(|at| at.to_string()),
        last_resolve_request: request,
    });
}

/// What is on record is what runs.
fn stay<'a>(mut pass: Pass<'a>, wish: Wish, code: &Code, again: Again) -> Flow<'a> {
    let record = pass.desk.status.code.as_ref();
    let text = match record.map(|record| (&record.version_id, &record.etag)) {
        Some((Some(version), _)) => format!("version {version} of the object is used"),
        Some((None, Some(etag))) => format!(
            "the object with ETag {etag} is used; its bucket has no versioning, so a later look cannot tell what AgentCore took"
        ),
        _ => "the object is used".to_owned(),
    };
    say(&mut pass, true, reasons::RESOLVED, &text);
    go(pass, wish, code, again)
}

fn go<'a>(pass: Pass<'a>, wish: Wish, code: &Code, again: Again) -> Flow<'a> {
    let record = pass.desk.status.code.clone().unwrap_or_default();
    let artifact = |code: Code| Artifact {
        container: None,
        code: Some(code),
    };
    let (fixed, etag) = fixed(code, &record);
    let uid = pass.uid();
    let mut wish = wish.with_artifact(uid, artifact(fixed), etag.as_deref());
    // Without a version, and never seen to be anything else: it is fixed with the next update, not by one of its own.
    let plain = Code {
        follow: None,
        ..code.clone()
    };
    wish.also = record
        .previous_version_id
        .is_none()
        .then(|| artifact(plain));
    wish.code_changed =
        etag.is_some() && record.applied_etag.is_some() && record.applied_etag != record.etag;
    ControlFlow::Continue((pass, wish, again))
}
