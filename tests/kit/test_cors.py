import pytest

from helpdesk_api.kit.cors import CORS
from tests.kit.edge import call, edge, plain

PAGE = "https://app.example.com"
ASKING = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}


async def test_without_configured_origins_no_page_is_let_in() -> None:
    answer = await call(edge(plain), headers={"Origin": PAGE})
    asked = await call(edge(plain), "OPTIONS", headers=ASKING)

    assert [name for name, _ in answer.headers + asked.headers if name.startswith("access-control")] == []
    assert answer.header("vary") == ["Authorization"]


async def test_a_configured_page_may_read_the_answer_and_its_headers() -> None:
    answer = await call(edge(plain, cors_origins=[PAGE]), headers={"Origin": PAGE})

    assert answer.header("access-control-allow-origin") == [PAGE]
    (exposed,) = answer.header("access-control-expose-headers")
    assert exposed.split(", ") == [
        "ETag", "Link", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id",
        "Idempotency-Replayed", "Deprecation", "Sunset",
    ]  # fmt: skip
    assert answer.header("access-control-allow-credentials") == []
    assert answer.header("vary") == ["Authorization", "Origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.com.evil.example", "null", ""])
async def test_any_other_page_may_not_read_the_answer(origin: str) -> None:
    answer = await call(edge(plain, cors_origins=[PAGE]), headers={"Origin": origin})

    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == []
    assert answer.header("vary") == ["Authorization", "Origin"]


async def test_a_refusal_can_be_read_by_the_page_as_well() -> None:
    answer = await call(edge(plain, cors_origins=[PAGE]), headers={"Origin": PAGE, "Content-Length": "9999999"})

    assert answer.status == 413
    assert answer.header("access-control-allow-origin") == [PAGE]


async def test_a_preflight_is_answered_without_the_application() -> None:
    answer = await call(edge(plain, cors_origins=[PAGE]), "OPTIONS", "/v1/tickets", headers=ASKING)

    assert (answer.status, answer.body, answer.is_complete) == (204, b"", True)
    assert answer.header("access-control-allow-origin") == [PAGE]
    assert answer.header("access-control-allow-methods") == ["GET, HEAD, POST, PUT, PATCH, DELETE"]
    assert answer.header("access-control-allow-headers") == [
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, X-View-As"
    ]
    assert answer.header("access-control-max-age") == ["600"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": PAGE}, {**ASKING, "Origin": "https://evil.example"}, {"Access-Control-Request-Method": "GET"}],
)
async def test_what_is_no_preflight_of_a_configured_page_goes_to_the_application(headers: dict[str, str]) -> None:
    answer = await call(edge(plain, cors_origins=[PAGE]), "OPTIONS", headers=headers)

    assert (answer.status, answer.body) == (200, b"0")
    assert answer.header("access-control-allow-methods") == []


@pytest.mark.parametrize(
    "origin", ["*", "null", "app.example.com", "https://app.example.com/", "https://App.example.com"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin") as caught:
        CORS([PAGE, origin])

    assert repr(origin) in str(caught.value)
