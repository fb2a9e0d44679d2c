//! What agents say, as the frameworks write it.

use super::*;

fn text(text: &str) -> AgentMessage {
    AgentMessage::Text(text.to_owned())
}

fn piece(data: &str) -> AgentMessage {
    Reader::default().piece(data)
}

/// The text of a stream, and whether nothing of it was understood.
fn told(pieces: &[&str]) -> (String, bool) {
    let (mut reader, mut whole) = (Reader::default(), String::new());
    for piece in pieces {
        match reader.piece(piece) {
            AgentMessage::Text(text) => whole.push_str(&text),
            AgentMessage::Done => break,
            AgentMessage::Nothing => {}
            other => panic!("{piece}: {other:?}"),
        }
    }
    (whole, reader.is_lost())
}

#[test]
fn the_first_known_member_with_a_text_is_the_text() {
    assert_eq!(answer(br#"{"text":"b","response":"a"}"#), text("a"));
    assert_eq!(answer(br#"{"output":"x"}"#), text("x"));
    assert_eq!(answer(br#"{"response":null,"output":"x"}"#), text("x"));
    assert_eq!(answer(br#"{"result":{"a":1},"output":"x"}"#), text("x"));
    assert_eq!(answer(br#""hello""#), text("hello"));
    assert_eq!(answer("plain \u{e9}".as_bytes()), text("plain \u{e9}"));
    assert_eq!(answer(b"[1, 2] and so on"), text("[1, 2] and so on"));
    assert_eq!(answer(b"42"), text("42"));
    assert_eq!(answer(b""), text(""));
}

#[test]
fn messages_are_read_however_they_are_wrapped() {
    let message = r#"{"role": "assistant", "content": [{"text": "Hello"}]}"#;
    for whole in [
        message.to_owned(),
        format!(r#"{{"result": {message}}}"#),
        format!(r#"{{"output": {{"message": {message}}}, "stopReason": "end_turn"}}"#),
        format!(r#"{{"message": {message}}}"#),
        r#"{"content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hello"}]}"#.to_owned(),
        r#"{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}]}"#.to_owned(),
        r#"{"output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]}"#.to_owned(),
        // As Strands 1.62 and BedrockAgentCoreApp 1.25 write it.
        r#"{"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "Hm"}}}, {"text": "Hel"}, {"toolUse": {"toolUseId": "t1", "name": "w", "input": {}}}, {"text": "lo"}], "metadata": {"usage": {"inputTokens": 1}}, "tracking_id": "bb"}"#.to_owned(),
    ] {
        assert_eq!(answer(whole.as_bytes()), text("Hello"), "{whole}");
    }
}

#[test]
fn what_nobody_knows_is_no_text() {
    for body in [
        r#"{ "answer": 42 }"#,
        r#"{"result": {"a": 1}}"#,
        r#"{"result": [1, 2]}"#,
        "[1, 2]",
        "{}",
        // A text too deep in an answer is none.
        &format!(r#"{}"x"{}"#, r#"{"result":"#.repeat(20), "}".repeat(20)),
    ] {
        assert_eq!(answer(body.as_bytes()), AgentMessage::Unknown, "{body}");
    }
    assert_eq!(
        answer(br#"{"error": "boom", "message": "m"}"#),
        AgentMessage::Failed("boom".to_owned())
    );
    assert_eq!(
        told(&[r#"{"a": 1}"#, r#"{"type": "x"}"#]),
        (String::new(), true)
    );
    assert_eq!(told(&[r#"{"a": 1}"#, r#""x""#]), ("x".to_owned(), false));
    assert_eq!(told(&[]), (String::new(), false));
}

#[test]
fn a_tree_of_very_many_values_is_not_built() {
    // Deeper than any reader of trees goes, and read all the same.
    let deep = |before: &str, after: &str| {
        format!(
            "{before}{}{}{after}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        )
    };
    assert_eq!(
        answer(deep(r#"{"x":"#, r#","response":"a"}"#).as_bytes()),
        text("a")
    );
    assert_eq!(
        answer(deep(r#"{"response":"#, "}").as_bytes()),
        AgentMessage::Unknown
    );
    assert_eq!(answer(br#"{"text":"a","text":"b"}"#), text("b"));
    assert_eq!(
        answer(br#"{"response":1 ,"x":"#),
        text(r#"{"response":1 ,"x":"#)
    );
}

#[test]
fn pieces_know_ends_failures_and_protocol_events() {
    let frame = |data: &str| Reader::default().frame(data);
    assert_eq!(piece("[DONE]"), AgentMessage::Done);
    assert_eq!(frame("data: [DONE]\n\n"), [AgentMessage::Done]);
    assert_eq!(piece("data: kept"), text("data: kept"));
    assert_eq!(
        frame("data:   two\ndata: lines\n\n"),
        [text("  two\nlines")]
    );
    assert_eq!(piece(r#"{"type":"done","turn":1}"#), AgentMessage::Done);
    assert_eq!(
        frame("data: {\"type\":\"TEXT_MESSAGE_CONTENT\",\"delta\":\"hi\"}\n\n"),
        [text("hi")]
    );
    assert_eq!(
        piece(r#"{"type":"RUN_ERROR","message":"boom"}"#),
        AgentMessage::Failed("boom".to_owned())
    );
    // As BedrockAgentCoreApp 1.25 ends a stream whose agent raised an exception.
    let raised = r#"{"error": "boom", "error_type": "ValueError", "message": "An error occurred during streaming"}"#;
    assert_eq!(piece(raised), AgentMessage::Failed("boom".to_owned()));
    assert_eq!(piece(" two  words "), text(" two  words "));
    assert_eq!(piece(r#"{"response":""}"#), text(""));
    assert_eq!(piece(r#"{"type":"TOKEN","text":"hi"}"#), text("hi"));
}

#[test]
fn every_event_of_strands_yields_the_models_text_once() {
    // A run with reasoning and a tool: Strands 1.62 in BedrockAgentCoreApp 1.25, each event of stream_async.
    let events = [
        r#"{"init_event_loop": true}"#,
        r#"{"start": true}"#,
        r#"{"start_event_loop": true}"#,
        r#"{"event": {"messageStart": {"role": "assistant"}}}"#,
        r#"{"event": {"contentBlockStart": {"start": {}}}}"#,
        r#"{"event": {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "think"}}}}}"#,
        r#""{'reasoningText': 'think', 'delta': {'reasoningContent': {'text': 'think'}}, 'agent': <strands.agent.agent.Agent object at 0x7f1e>}""#,
        r#"{"event": {"contentBlockDelta": {"delta": {"text": "Let me look. "}}}}"#,
        r#""{'data': 'Let me look. ', 'delta': {'text': 'Let me look. '}, 'agent': <strands.agent.agent.Agent object at 0x7f1e>}""#,
        r#"{"event": {"contentBlockDelta": {"delta": {"toolUse": {"input": "{\"city\": \"Bonn\"}"}}}}}"#,
        r#""{'type': 'tool_use_stream', 'delta': {'toolUse': {'input': '{\"city\"'}}, 'current_tool_use': {}}""#,
        r#"{"event": {"messageStop": {"stopReason": "tool_use"}}}"#,
        r#"{"event": {"metadata": {"usage": {"inputTokens": 1}, "metrics": {"latencyMs": 1}}}}"#,
        r#"{"message": {"role": "assistant", "content": [{"text": "Let me look. "}, {"toolUse": {"toolUseId": "t1"}}]}}"#,
        r#"{"message": {"role": "user", "content": [{"toolResult": {"content": [{"text": "sun"}]}}]}}"#,
        r#"{"event": {"contentBlockDelta": {"delta": {"text": "It is sunny."}}}}"#,
        r#"{"message": {"role": "assistant", "content": [{"text": "It is sunny."}]}}"#,
        r#""{'result': AgentResult(stop_reason='end_turn', message={'role': 'assistant'})}""#,
    ];
    let whole = ("Let me look. It is sunny.".to_owned(), false);
    assert_eq!(told(&events), whole);
    // Converse's own events, as boto3 gives them.
    let bare: Vec<String> = events
        .iter()
        .filter_map(|event| event.strip_prefix(r#"{"event": "#)?.strip_suffix('}'))
        .map(str::to_owned)
        .collect();
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    assert_eq!(told(&bare), whole);
    let fault = r#"{"modelStreamErrorException": {"message": "boom", "originalStatusCode": 424}}"#;
    assert_eq!(piece(fault), AgentMessage::Failed("boom".to_owned()));
    // An agent that yields only what is no JSON says nothing that can be read.
    assert_eq!(told(&[events[8]]), (String::new(), true));
    // Python in an answer is the answer.
    assert_eq!(piece(r#""{'a': 1}""#), text("{'a': 1}"));
}

#[test]
fn of_ag_ui_only_the_messages_are_text() {
    // As ag-ui-protocol 1.0.0 writes them.
    let events = [
        r#"{"type":"RUN_STARTED","threadId":"t","runId":"r"}"#,
        r#"{"type":"REASONING_MESSAGE_CONTENT","messageId":"x","delta":"think"}"#,
        r#"{"type":"TOOL_CALL_START","toolCallId":"c","toolCallName":"w"}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c","delta":"{\"a\":1}"}"#,
        r#"{"type":"TOOL_CALL_RESULT","messageId":"q","toolCallId":"c","content":"sun"}"#,
        r#"{"type":"STATE_DELTA","delta":[{"op":"add","path":"/a","value":1}]}"#,
        r#"{"type":"TEXT_MESSAGE_START","messageId":"m"}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"Hel"}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"lo"}"#,
        r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"n","role":"assistant","delta":" world"}"#,
        r#"{"type":"RUN_FINISHED","threadId":"t","runId":"r"}"#,
    ];
    assert_eq!(told(&events), ("Hello world".to_owned(), false));
}

#[test]
fn other_models_streams_are_read() {
    let anthropic = [
        r#"{"type":"message_start","message":{"role":"assistant","content":[]}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let responses = [
        r#"{"type":"response.created","response":{"output":[]}}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#,
        r#"{"type":"response.output_text.delta","delta":"Hello"}"#,
        r#"{"type":"response.completed","response":{"output":[]}}"#,
    ];
    let chat = [
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"}}]}"#,
        "[DONE]",
    ];
    for events in [&anthropic[..], &responses, &chat] {
        assert_eq!(told(events), ("Hello".to_owned(), false));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_an_agent_says_is_read(data in "(data:)?[ -~]{0,40}|\\PC{0,20}", body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
        let _ = (piece(&data), answer(&body));
    }
}
