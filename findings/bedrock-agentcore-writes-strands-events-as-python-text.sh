#!/usr/bin/env bash
# bedrock-agentcore 1.25.0 with strands-agents 1.62.0: a stream has each piece of text twice, the second time as the text of a Python object.
#
# Expected: an entrypoint of BedrockAgentCoreApp that yields the events of Agent.stream_async, as both projects' examples do, gives events of JSON
# objects, and each piece of the model's text once.
# Seen: stream_async yields Bedrock Converse's events and, beside each, one of its own that holds the agent itself. That one is no JSON, so that
# BedrockAgentCoreApp sends what str() says of it, as a JSON string: "{'data': 'Hello ', ..., 'agent': <strands.agent.agent.Agent object at 0x...>}".
# A client that joins texts shows the answer and Python's objects by turns. HTTP says 200, and nothing is marked as an error.
# Way around: yield event["data"] where there is one; a client reads "event" and leaves out strings that begin with "{'".
#
# Needs Python 3.10 or later with venv. Fails if the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bedrock-agentcore==1.25.0 strands-agents==1.62.0

cat >"$folder/agent.py" <<'PY'
import json

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from starlette.testclient import TestClient
from strands import Agent
from strands.models.model import Model


class Canned(Model):
    """Says two words, without any service."""

    def update_config(self, **config):
        pass

    def get_config(self):
        return {}

    async def structured_output(self, *args, **kwargs):
        raise NotImplementedError
        yield

    async def stream(self, *args, **kwargs):
        yield {"messageStart": {"role": "assistant"}}
        for word in ("Hello ", "there"):
            yield {"contentBlockDelta": {"delta": {"text": word}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


app = BedrockAgentCoreApp()


@app.entrypoint
async def entry(payload):
    async for event in Agent(model=Canned(), callback_handler=None).stream_async(payload["prompt"]):
        yield event


with TestClient(app) as client:
    answer = client.post("/invocations", json={"prompt": "Hi"})
print("HTTP", answer.status_code)
for line in answer.text.splitlines():
    event = json.loads(line.removeprefix("data: ")) if line else None
    if isinstance(event, str):
        print("string with", event.split("'")[1], "and an object of Python's" if "<strands." in event or "AgentResult(" in event else "")
    elif event and "contentBlockDelta" in event.get("event", {}):
        print("object:", event["event"]["contentBlockDelta"]["delta"]["text"])
PY
seen=$("$folder/venv/bin/python" "$folder/agent.py" 2>/dev/null | sed 's/ *$//')
printf '%s\n' "$seen"
expected="HTTP 200
object: Hello
string with data and an object of Python's
object: there
string with data and an object of Python's
string with result and an object of Python's"
if [[ $seen != "$expected" ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
