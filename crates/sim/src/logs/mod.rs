//! CloudWatch Logs, as far as the output of sessions is asked for.

pub mod capture;
mod pattern;
pub mod store;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::pattern::Pattern;
use self::store::{Event, Group};
use crate::operation::Operation;
use crate::request::Call;
use crate::state::ids;
use crate::state::world::App;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;
use crate::wire::shape::{Member, parse};
use crate::wire::shapes;

/// Most bytes of messages on a page of FilterLogEvents.
const PAGE_BYTES: usize = 1 << 20;
/// Events on a page where nothing is said.
const PAGE_EVENTS: usize = 10_000;
/// Groups and streams on a page where nothing is said.
const PAGE_NAMES: usize = 50;

/// Answers an operation of CloudWatch Logs.
///
/// # Errors
/// What the service refuses.
pub fn handle(app: &App, call: &Call) -> Result<Reply, ApiError> {
    match call.route.operation {
        Operation::FilterLogEvents => filter(app, call),
        Operation::DescribeLogGroups => groups(app, call),
        Operation::DescribeLogStreams => streams(app, call),
        other => Err(ApiError::bad_request(
            "UnknownOperationException",
            format!("{other} is not of CloudWatch Logs"),
        )),
    }
    .map(Reply::ok)
}

/// Reads a request; what breaks a shape is an `InvalidParameterException` here.
fn read(members: &'static [Member], call: &Call) -> Result<Map<String, Value>, ApiError> {
    parse(members, &call.body).map_err(|error| match error.name() {
        "ValidationException" => invalid(error.message()),
        _ => error,
    })
}

fn invalid(text: &str) -> ApiError {
    ApiError::bad_request("InvalidParameterException", text)
}

fn no_group() -> ApiError {
    let text = "The specified log group does not exist.";
    ApiError::bad_request("ResourceNotFoundException", text)
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn number(map: &Map<String, Value>, name: &str) -> Option<i64> {
    map.get(name).and_then(Value::as_i64)
}

fn limit(map: &Map<String, Value>, most: usize) -> usize {
    let given = number(map, "limit").and_then(|limit| usize::try_from(limit).ok());
    given.unwrap_or(most)
}

/// Account and region that a call is about.
fn place(call: &Call) -> (&str, &str) {
    (&call.account, &call.region)
}

/// The group that is meant: by its name, or by its ARN, which may end in `:*`.
fn group_name(request: &Map<String, Value>) -> Result<&str, ApiError> {
    match (
        text(request, "logGroupName"),
        text(request, "logGroupIdentifier"),
    ) {
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => {
            let name = identifier.split(":log-group:").last();
            Ok(name.unwrap_or(identifier).trim_end_matches(":*"))
        }
        _ => Err(invalid(
            "Exactly one of logGroupName and logGroupIdentifier must be given",
        )),
    }
}

/// Which events of a group are wanted.
struct Wanted<'a> {
    streams: Option<Vec<&'a str>>,
    prefix: &'a str,
    from: i64,
    until: i64,
    pattern: Pattern,
}

impl Wanted<'_> {
    fn has(&self, event: &Event) -> bool {
        let at = event.at.as_millisecond();
        let stream = event.stream.as_str();
        let named = self
            .streams
            .as_ref()
            .is_none_or(|all| all.contains(&stream));
        (self.from..=self.until).contains(&at)
            && named
            && stream.starts_with(self.prefix)
            && self.pattern.matches(&event.message)
    }
}

fn filter(app: &App, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::FILTER_LOG_EVENTS, call)?;
    let name = group_name(&request)?;
    let names = request.get("logStreamNames").and_then(Value::as_array);
    let streams = names.map(|names| names.iter().filter_map(Value::as_str).collect());
    let prefix = text(&request, "logStreamNamePrefix");
    if streams.is_some() && prefix.is_some() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefix exclude each other",
        ));
    }
    let wanted = Wanted {
        streams,
        prefix: prefix.unwrap_or_default(),
        from: number(&request, "startTime").unwrap_or(0),
        until: number(&request, "endTime").unwrap_or(i64::MAX),
        pattern: Pattern::parse(text(&request, "filterPattern").unwrap_or_default())?,
    };
    if wanted.from > wanted.until {
        return Err(invalid("startTime must not be after endTime"));
    }
    let after = token(&request)?.unwrap_or_default();
    let limit = limit(&request, PAGE_EVENTS);
    app.logs
        .group(place(call), name, |group| {
            page(group, &wanted, after, limit)
        })
        .ok_or_else(no_group)
}

/// One page, by time. A line that comes late never has an earlier time, so that the order of arrival is that of time.
fn page(group: &Group, wanted: &Wanted<'_>, after: u64, limit: usize) -> Value {
    let (mut events, mut bytes, mut last) = (Vec::new(), 0, None);
    let mut more = false;
    let left = group.events().filter(|event| event.seq > after);
    for event in left.filter(|event| wanted.has(event)) {
        let length = event.message.len();
        if events.len() == limit || (bytes + length > PAGE_BYTES && !events.is_empty()) {
            more = true;
            break;
        }
        bytes += length;
        last = Some(event.seq);
        let at = event.at.as_millisecond();
        events.push(json!({
            "logStreamName": event.stream,
            "timestamp": at,
            "message": event.message,
            "ingestionTime": at,
            "eventId": format!("{:056}", event.seq),
        }));
    }
    let mut body = json!({ "events": events, "searchedLogStreams": [] });
    if let Some(last) = last.filter(|_| more) {
        body["nextToken"] = json!(URL_SAFE_NO_PAD.encode(last.to_string()));
    }
    body
}

/// What a `nextToken` says.
fn token(request: &Map<String, Value>) -> Result<Option<u64>, ApiError> {
    let Some(token) = text(request, "nextToken") else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let number = decoded.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| invalid("The specified nextToken is invalid."))
}

fn groups(app: &App, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::DESCRIBE_LOG_GROUPS, call)?;
    let prefix = text(&request, "logGroupNamePrefix").unwrap_or_default();
    let all = app.logs.groups(place(call), |name, group| {
        name.starts_with(prefix).then(|| {
            let arn = group_arn(call, name);
            json!({
                "logGroupName": name,
                "creationTime": group.created_at.as_millisecond(),
                "metricFilterCount": 0,
                "arn": format!("{arn}:*"),
                "logGroupArn": arn,
                "storedBytes": group.bytes(),
                "logGroupClass": "STANDARD",
            })
        })
    });
    names(&request, "logGroups", all.into_iter().flatten().collect())
}

fn group_arn(call: &Call, name: &str) -> String {
    let (account, region) = place(call);
    let partition = ids::aws_partition(region);
    format!("arn:{partition}:logs:{region}:{account}:log-group:{name}")
}

/// What is kept of a stream.
struct Stream {
    first: Timestamp,
    last: Timestamp,
}

fn streams(app: &App, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::DESCRIBE_LOG_STREAMS, call)?;
    let name = group_name(&request)?;
    let prefix = text(&request, "logStreamNamePrefix").unwrap_or_default();
    let by_time = text(&request, "orderBy") == Some("LastEventTime");
    if by_time && !prefix.is_empty() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let mut found: BTreeMap<String, Stream> = BTreeMap::new();
    let seen = app.logs.group(place(call), name, |group| {
        let wanted = group
            .events()
            .filter(|event| event.stream.starts_with(prefix));
        for event in wanted {
            let new = Stream {
                first: event.at,
                last: event.at,
            };
            let stream = found.entry(event.stream.clone()).or_insert(new);
            stream.last = stream.last.max(event.at);
        }
    });
    seen.ok_or_else(no_group)?;
    let mut found: Vec<_> = found.into_iter().collect();
    if by_time {
        found.sort_by_key(|(_, stream)| stream.last);
    }
    if request.get("descending") == Some(&json!(true)) {
        found.reverse();
    }
    let arn = group_arn(call, name);
    let entries = found.into_iter().map(|(stream, Stream { first, last })| {
        json!({
            "logStreamName": stream,
            "creationTime": first.as_millisecond(),
            "firstEventTimestamp": first.as_millisecond(),
            "lastEventTimestamp": last.as_millisecond(),
            "lastIngestionTime": last.as_millisecond(),
            "arn": format!("{arn}:log-stream:{stream}"),
            "storedBytes": 0,
        })
    });
    names(&request, "logStreams", entries.collect())
}

/// One page of a list of names.
fn names(request: &Map<String, Value>, member: &str, all: Vec<Value>) -> Result<Value, ApiError> {
    let from = usize::try_from(token(request)?.unwrap_or_default()).unwrap_or(usize::MAX);
    let end = from.saturating_add(limit(request, PAGE_NAMES));
    let mut body = Map::new();
    if end < all.len() {
        let token = URL_SAFE_NO_PAD.encode(end.to_string());
        body.insert("nextToken".to_owned(), json!(token));
    }
    let page: Vec<Value> = all.into_iter().take(end).skip(from).collect();
    body.insert(member.to_owned(), Value::Array(page));
    Ok(Value::Object(body))
}
