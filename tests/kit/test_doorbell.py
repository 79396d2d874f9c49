"""How rings are written for Redis."""

import json

from arq.worker import JobExecutionFailed

from helpdesk_api.kit.doorbell import serialize


def test_the_exception_of_a_ring_whose_data_was_flushed_is_written_as_text() -> None:
    assert json.loads(serialize({"s": False, "r": JobExecutionFailed("job expired")})) == {
        "s": False,
        "r": "job expired",
    }
