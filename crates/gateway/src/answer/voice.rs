//! How an answer that breaks off says so: in the protocol that its caller speaks, as nobody understands another one.

use agentcore_api::runtime::ServerProtocol;
use agentcore_invoke::Payload;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::Tail;
use super::outline::Outline;
use crate::problem::Problem;

/// Longest id of a JSON-RPC request that is kept, in bytes.
const ID_MAX: usize = 1024;
/// JSON-RPC's code of an internal error.
const INTERNAL: i32 = -32603;

/// What is read of a JSON-RPC request.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
}

/// A JSON-RPC request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// As it was written; none for a notification, and for what is no JSON-RPC.
    pub id: Option<Box<RawValue>>,
    /// What it asks for.
    pub method: Option<String>,
}

impl Request {
    /// Reads a payload that is kept whole. Payloads cannot be shared between threads, hence the clone of what is in a file.
    pub fn read(payload: &Payload) -> impl Future<Output = Self> + Send + use<> {
        let (here, spooled) = match payload {
            Payload::Memory(bytes) => (Self::parse(bytes), None),
            Payload::Spooled(spooled) => (Self::default(), Some(spooled.clone())),
            Payload::Stream { .. } => (Self::default(), None),
        };
        async move {
            let Some(spooled) = spooled else {
                return here;
            };
            match spawn_blocking(move || Outline::of(&spooled)).await {
                Ok(Ok(Some(outline))) => Self::parse(&outline),
                _ => here,
            }
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let Ok(Call { id, method }) = serde_json::from_slice(bytes) else {
            return Self::default();
        };
        let id = id.filter(|id| id.get().len() <= ID_MAX);
        Self {
            id: id.map(ToOwned::to_owned),
            method,
        }
    }
}

/// How the end of a stream of events is told.
#[derive(Debug)]
pub enum Voice {
    /// An event `error` with a problem.
    Plain,
    /// AG-UI's event `RUN_ERROR`.
    AgUi,
    /// A JSON-RPC error for this request.
    JsonRpc(Box<RawValue>),
}

impl Voice {
    /// Of an agent's answer to a request.
    pub fn of(protocol: &ServerProtocol, request: Request) -> Self {
        match (protocol, request.id) {
            (ServerProtocol::Agui, _) => Self::AgUi,
            (ServerProtocol::Mcp | ServerProtocol::A2a, Some(id)) => Self::JsonRpc(id),
            _ => Self::Plain,
        }
    }

    /// Whether an agent's requests have to be read for it.
    pub fn is_json_rpc(protocol: &ServerProtocol) -> bool {
        matches!(protocol, ServerProtocol::Mcp | ServerProtocol::A2a)
    }

    /// The last event.
    pub fn last_event(&self, tail: Tail, problem: &Problem) -> Bytes {
        match self {
            Self::Plain => tail.last_event(Some("error"), &problem.to_text()),
            Self::AgUi => {
                let event = json!({
                    "type": "RUN_ERROR", "message": problem.detail, "code": problem.reason, "rawEvent": problem.to_json(),
                });
                tail.last_event(None, &event.to_string())
            }
            Self::JsonRpc(id) => {
                let error =
                    json!({"code": INTERNAL, "message": problem.detail, "data": problem.to_json()});
                let answer = json!({"jsonrpc": "2.0", "id": id, "error": error});
                tail.last_event(None, &answer.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use agentcore_invoke::Spooled;
    use serde_json::Value;

    use super::*;

    fn last(protocol: &ServerProtocol, request: &str, tail: Tail) -> String {
        let voice = Voice::of(protocol, Request::parse(request.as_bytes()));
        let event = voice.last_event(tail, &Problem::broke_off("it died"));
        String::from_utf8(event.to_vec()).unwrap()
    }

    #[test]
    fn each_protocol_has_its_own_error() {
        let call =
            r#"{"method": "tools/call", "params": {"id": 1}, "jsonrpc": "2.0", "id": "a-7"}"#;
        for protocol in [ServerProtocol::Mcp, ServerProtocol::A2a] {
            let event = last(&protocol, call, Tail::Text);
            let data = event.strip_prefix("\n\ndata: ").unwrap();
            let error: Value = serde_json::from_str(data).unwrap();
            assert_eq!(
                (&error["jsonrpc"], &error["id"]),
                (&json!("2.0"), &json!("a-7"))
            );
            assert_eq!(error["error"]["code"], -32603);
            assert_eq!(error["error"]["data"]["reason"], "UpstreamBrokeOff");
        }
        let event = last(&ServerProtocol::Agui, "{}", Tail::Line);
        let error: Value = serde_json::from_str(event.strip_prefix("\ndata: ").unwrap()).unwrap();
        assert_eq!(
            (&error["type"], &error["message"]),
            (&json!("RUN_ERROR"), &json!("it died"))
        );
        let event = last(&ServerProtocol::Http, call, Tail::Clean);
        assert!(event.starts_with("event: error\ndata: {"), "{event}");
    }

    #[tokio::test]
    async fn a_request_in_a_file_is_known_by_its_id_too() {
        let read = async |request: String| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(request.as_bytes()).unwrap();
            let spooled = Spooled::new(file, request.len() as u64, [0; 32]);
            let read = Request::read(&Payload::Spooled(spooled)).await;
            (read.id.map(|id| id.to_string()), read.method)
        };
        let pad = r#"{"id": "\""}, "#.repeat(200_000);
        let request = format!(r#"{{"params": [{pad}0], "method": "a/b", "id": "c-9"}}"#);
        assert_eq!(
            read(request).await,
            (Some(r#""c-9""#.to_owned()), Some("a/b".to_owned()))
        );
        let method = "a".repeat(2 << 20);
        let request = format!(r#"{{"id": 1, "method": "{method}"}}"#);
        assert_eq!(read(request).await, (None, None));
    }

    #[test]
    fn what_wants_no_answer_gets_none_of_its_protocol() {
        for request in [
            r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#,
            r#"{"jsonrpc": "2.0", "method": "x", "id": null}"#,
            &format!(r#"{{"id": "{}"}}"#, "a".repeat(ID_MAX)),
            "[]",
            "",
        ] {
            let event = last(&ServerProtocol::Mcp, request, Tail::Clean);
            assert!(event.starts_with("event: error\n"), "{request}: {event}");
        }
    }
}
