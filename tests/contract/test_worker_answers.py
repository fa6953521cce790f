"""A worker on real Redis: turns come in, finals come out, and the thread says the same."""



from services.conversation.graph.build import build_assistant
from services.conversation.graph.models import open_model
from services.local.embedded import EmbeddedRedis
from tests.support.open_bus import open_bus
from tests.support.workers import Talk, worker_in_process


async def test_an_answer_is_started_streamed_and_completed(shared_redis: EmbeddedRedis) -> None:
    graph = build_assistant(open_model("", token_s=0.002))
    async with open_bus(shared_redis) as bus, worker_in_process(shared_redis, graph, delta_ms=5.0):
        talk = await Talk.new(bus)
        turn = await talk.say("count to 30")
        end = await talk.finished(turn)
        types = [event["type"] for event in await talk.events(turn=turn)]
        assert types == ["turn.started", "message.started", "message.completed", "turn.finished"]
        assert end["outcome"] == "completed"
        [completed] = await talk.events("message.completed")
        assert completed["text"] == (await talk.thread())[-1].text
        assert completed["usage"]["output_tokens"] > 30
