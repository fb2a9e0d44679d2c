//! What an A2A agent says of where and how it is called, made to lead to the gateway. AgentCore carries JSON-RPC alone, and wants AWS's
//! signature at the agent's own address: a client that believed the card as it is would pass the gateway by.

use serde_json::{Map, Value, json};

/// The one transport, as 0.3 (`transport`) and 1.0 (`protocolBinding`) call it.
const JSON_RPC: &str = "JSONRPC";
/// The gateway's security scheme in a card.
const SCHEME: &str = "gateway";
/// Methods that answer with a card: 0.3 and 1.0.
const EXTENDED: [&str; 2] = ["agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard"];

/// A card that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent's card names no JSON-RPC interface, and AgentCore carries no other")]
pub struct NoInterface;

/// Whether a method answers with a card.
pub fn answers_with_card(method: &str) -> bool {
    EXTENDED.contains(&method)
}

/// A card whose JSON-RPC interfaces are at `url`; the others, and signatures, which would not hold any more, are left out. Callers show the
/// gateway a bearer token. Forms: A2A 0.3 (`url`, `additionalInterfaces`), 1.0 (`supportedInterfaces`), and both in one card.
///
/// # Errors
/// No interface would be left.
pub fn rewritten(
    mut card: Map<String, Value>,
    url: &str,
) -> Result<Map<String, Value>, NoInterface> {
    let is_1_0 = keep(&mut card, "supportedInterfaces", "protocolBinding", url);
    let others = keep(&mut card, "additionalInterfaces", "transport", url);
    let preferred = card.get("preferredTransport").and_then(Value::as_str);
    let is_0_3 = card.contains_key("url") && (others || preferred.is_none_or(|it| it == JSON_RPC));
    if is_0_3 {
        card.insert("url".to_owned(), url.into());
        card.insert("preferredTransport".to_owned(), JSON_RPC.into());
    } else {
        card.remove("url");
    }
    if !is_0_3 && !is_1_0 {
        return Err(NoInterface);
    }
    card.remove("signatures");
    secure(&mut card, is_0_3, is_1_0);
    Ok(card)
}

/// Keeps the JSON-RPC entries of a list of interfaces, at `url`; says whether there are any.
fn keep(card: &mut Map<String, Value>, list: &str, transport: &str, url: &str) -> bool {
    let Some(Value::Array(interfaces)) = card.get_mut(list) else {
        return false;
    };
    interfaces.retain(|interface| interface[transport] == JSON_RPC);
    for interface in &mut *interfaces {
        interface["url"] = url.into();
    }
    !interfaces.is_empty()
}

/// The gateway's own way to know a caller, in place of the agent's.
fn secure(card: &mut Map<String, Value>, is_0_3: bool, is_1_0: bool) {
    let mut scheme = Map::new();
    for member in ["security", "securityRequirements"] {
        card.remove(member);
        for skill in card
            .get_mut("skills")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Value::Object(skill) = skill {
                skill.remove(member);
            }
        }
    }
    if is_0_3 {
        scheme.insert("type".to_owned(), json!("http"));
        scheme.insert("scheme".to_owned(), json!("bearer"));
        card.insert("security".to_owned(), json!([{ SCHEME: [] }]));
    }
    if is_1_0 {
        scheme.insert(
            "httpAuthSecurityScheme".to_owned(),
            json!({"scheme": "bearer"}),
        );
        let wanted = json!([{"schemes": { SCHEME: {"list": []} }}]);
        card.insert("securityRequirements".to_owned(), wanted);
    }
    card.insert("securitySchemes".to_owned(), json!({ SCHEME: scheme }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://gateway/v1/namespaces/a/agentruntimes/b/a2a";

    fn rewritten(card: Value) -> Result<Value, NoInterface> {
        let Value::Object(card) = card else {
            panic!("no object")
        };
        super::rewritten(card, URL).map(Value::Object)
    }

    #[test]
    fn a_card_of_0_3_leads_to_the_gateway() {
        // As a2a-sdk 0.3.26 writes it.
        let card = rewritten(json!({
            "name": "a", "url": "http://10.0.0.1:9000/", "preferredTransport": "GRPC", "protocolVersion": "0.3.0",
            "additionalInterfaces": [{"transport": "GRPC", "url": "grpc://x"}, {"transport": "JSONRPC", "url": "http://10.0.0.1:9000/"}],
            "securitySchemes": {"k": {"scheme": "basic", "type": "http"}}, "security": [{"k": []}],
            "signatures": [{"protected": "a", "signature": "b"}], "skills": [{"id": "s", "security": [{"k": []}]}],
        }));
        let wanted = json!({
            "name": "a", "url": URL, "preferredTransport": "JSONRPC", "protocolVersion": "0.3.0",
            "additionalInterfaces": [{"transport": "JSONRPC", "url": URL}],
            "securitySchemes": {"gateway": {"scheme": "bearer", "type": "http"}}, "security": [{"gateway": []}],
            "skills": [{"id": "s"}],
        });
        assert_eq!(card, Ok(wanted));
    }

    #[test]
    fn a_card_of_1_0_leads_to_the_gateway() {
        // As a2a-sdk 1.3.0 writes it.
        let card = rewritten(json!({
            "name": "a",
            "supportedInterfaces": [
                {"url": "http://x:9000/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
                {"url": "grpc://x", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
                {"url": "http://x:9000/", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
            ],
            "securitySchemes": {"k": {"httpAuthSecurityScheme": {"scheme": "bearer"}}},
            "securityRequirements": [{"schemes": {"k": {"list": ["a"]}}}],
            "skills": [{"id": "s", "securityRequirements": []}],
        }));
        let wanted = json!({
            "name": "a",
            "supportedInterfaces": [
                {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
                {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
            ],
            "securitySchemes": {"gateway": {"httpAuthSecurityScheme": {"scheme": "bearer"}}},
            "securityRequirements": [{"schemes": {"gateway": {"list": []}}}],
            "skills": [{"id": "s"}],
        });
        assert_eq!(card, Ok(wanted));
    }

    #[test]
    fn no_address_of_the_agent_is_left_in_a_card_of_both() {
        let card = rewritten(json!({
            "url": "grpc://x", "preferredTransport": "GRPC",
            "supportedInterfaces": [{"url": "http://x", "protocolBinding": "JSONRPC"}],
        }));
        let card = card.unwrap();
        assert_eq!(card.get("url"), None);
        assert_eq!(card["supportedInterfaces"][0]["url"], URL);
    }

    #[test]
    fn a_card_without_json_rpc_is_refused() {
        for card in [
            json!({"name": "a"}),
            json!({"url": "grpc://x", "preferredTransport": "GRPC"}),
            json!({"supportedInterfaces": [{"url": "grpc://x", "protocolBinding": "GRPC"}]}),
            json!({"supportedInterfaces": []}),
        ] {
            assert_eq!(rewritten(card.clone()), Err(NoInterface), "{card}");
        }
    }
}
