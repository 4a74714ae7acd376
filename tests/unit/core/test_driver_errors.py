"""Whatever callers may use of the store, the driver's errors come out of it as the store's own."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, get_type_hints

import pytest
from imagerift_core import mongo
from imagerift_core.errors import CapacityUnavailable, OutcomeUnknown
from imagerift_core.mongo import Database, StoreRefused
from imagerift_core.mongo.driver_errors import translated
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure, PyMongoError

from tests.support.store_values import SPECIAL_VALUES, VALUES

# What takes one of these is called from within the package alone.
DRIVERS_OWN = re.compile(r"\b(Session|Collection|BlockingCollections)\b")


class RaisingDriver:
    """In the driver's place: sessions begin, and whatever else is asked of it raises `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.session = RaisingDriver.Session()

    async def start_session(self) -> RaisingDriver.Session:
        return self.session

    def __getattr__(self, name: str) -> RaisingDriver:
        return self

    def __call__(self, *_: object, **__: object) -> RaisingDriver:
        return self

    def __getitem__(self, _: object) -> object:
        raise self._error

    def __await__(self) -> Iterator[object]:
        raise self._error

    @property
    def delegate(self) -> RaisingDriver:
        """The blocking collection, whose writes nobody has marked."""
        return RaisingDriver(self._error)

    def __aiter__(self) -> RaisingDriver:
        return self

    async def __anext__(self) -> object:
        raise self._error

    async def __aenter__(self) -> object:
        raise self._error

    async def __aexit__(self, *_: object) -> None:
        pass

    class Session:
        in_transaction = False
        transactions = 0

        @property
        def delegate(self) -> RaisingDriver.Session:
            return self

        def start_transaction(self, **_: object) -> None:
            self.transactions += 1
            if self.transactions > 2:
                raise AutoReconnect("away")

        async def commit_transaction(self) -> None:
            pass

        async def __aenter__(self) -> RaisingDriver.Session:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass


def reaches_the_store(function: Callable[..., Any]) -> bool:
    """Whether it is asynchronous, as all of the driver is, and meant for callers."""
    signature = inspect.signature(function)
    return DRIVERS_OWN.search(str(signature.parameters)) is None and (
        inspect.iscoroutinefunction(function)
        or str(signature.return_annotation).startswith("AsyncIterator")
    )


def public(members: Mapping[str, Any], module: str) -> Iterator[tuple[str, Any]]:
    for name, member in members.items():
        if not name.startswith("_") and getattr(member, "__module__", module) == module:
            yield name, member


def public_callables() -> Iterator[tuple[str, type | None, Callable[..., Any]]]:
    """(name, class if it is a method, function) of all that the package's modules offer."""
    for info in pkgutil.iter_modules(mongo.__path__):
        module = importlib.import_module(f"{mongo.__name__}.{info.name}")
        for name, member in public(vars(module), module.__name__):
            if inspect.isfunction(member):
                yield f"{info.name}.{name}", None, member
            elif inspect.isclass(member):
                for method, function in public(vars(member), module.__name__):
                    if inspect.isfunction(function):
                        yield f"{info.name}.{name}.{method}", member, function


def holds_the_store(owner: type) -> bool:
    """Whether a class is made of the database: others reach it through those that are."""
    return owner is Database or "database" in inspect.signature(owner).parameters


CALLABLES = {
    name: (owner, function)
    for name, owner, function in public_callables()
    if reaches_the_store(function) and (owner is None or holds_the_store(owner))
}


@pytest.fixture(
    params=[(AutoReconnect, "away"), (OperationFailure, "not authorized", 13)],
    ids=lambda error: error[0].__name__,
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    kind, *said = request.param
    driver: Any = RaisingDriver(kind(*said))
    made = Database(driver, "nowhere")
    yield made
    made.close()


def arguments(name: str, function: Callable[..., Any], database: Database) -> dict[str, Any]:
    """A value for each parameter that needs one; a type that is new here belongs in `VALUES`."""
    hints = get_type_hints(function)
    special = SPECIAL_VALUES.get(name, {})
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.name != "self"
    ]
    values = VALUES | {Database: database}
    return {each: special[each] if each in special else values[hints[each]] for each in needed}


async def use(made: Any) -> None:
    """Awaits, enters or reads to its end what a call has made."""
    if isinstance(made, AbstractAsyncContextManager):
        async with made:
            pass
    elif isinstance(made, AsyncIterator):
        async for _ in made:
            pass
    else:
        await made


async def call(name: str, database: Database) -> None:
    owner, function = CALLABLES[name]
    given = arguments(name, function, database)
    if owner is Database:
        function = function.__get__(database)
    elif owner is not None:
        function = function.__get__(owner(database))
    await use(function(**given))


@pytest.mark.parametrize("name", CALLABLES)
async def test_no_error_of_the_driver_leaves_the_store(name: str, database: Database) -> None:
    with pytest.raises((CapacityUnavailable, StoreRefused)) as raised:
        await call(name, database)
    assert isinstance(raised.value.__cause__, PyMongoError)


async def test_a_transaction_meets_the_drivers_own_errors_and_runs_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imagerift_core.mongo.transactions.RETRY_SECONDS", 600)
    conflict = OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})
    tried = {}
    for name in CALLABLES.keys() - SPECIAL_VALUES.keys():
        driver: Any = RaisingDriver(conflict)
        database = Database(driver, "nowhere")
        with pytest.raises(CapacityUnavailable):
            await call(name, database)
        database.close()
        if driver.session.transactions:
            tried[name] = driver.session.transactions
    assert len(tried) > 15
    assert min(tried.values()) > 2, tried


def test_nothing_that_callers_use_is_overlooked() -> None:
    assert {
        "database.connect",
        "database.Database.ping",
        "admission.Admissions.admit_all",
        "rate_limited_reads.RateLimitedReads.count_and_read",
        "job_changes.JobChangeStream.open",
        "jobs.JobStore.get",
        "jobs.JobStore.overdue",
        "settlement.Settlements.settle",
    } <= CALLABLES.keys()
    # A transaction's own steps: they let the driver's errors pass, so that it can run again.
    assert CALLABLES.keys().isdisjoint(
        {"admission_step.admit_in", "deliveries.add", "idempotency.KeyClaim.write"}
    )


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (AutoReconnect("away"), CapacityUnavailable),
        (ExecutionTimeout("too slow", 50), CapacityUnavailable),
        (
            OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]}),
            CapacityUnavailable,
        ),
        (OperationFailure("not authorized", 13), CapacityUnavailable),
        (OperationFailure("a step-down", 11602), CapacityUnavailable),
        (
            OperationFailure("late", 50, {"errorLabels": ["UnknownTransactionCommitResult"]}),
            OutcomeUnknown,
        ),
        (OperationFailure("no such operator", 2), StoreRefused),
        (LookupError("no counter"), LookupError),
    ],
)
async def test_what_trying_again_may_mend_is_told_from_what_the_store_refuses(
    error: Exception, becomes: type[Exception]
) -> None:
    @translated
    async def ask() -> None:
        raise error

    @translated
    async def read() -> AsyncIterator[int]:
        yield 1
        raise error

    read_so_far = []
    with pytest.raises(becomes) as raised:
        await ask()
    # What the driver says may hold values of a document, or where the store is.
    assert becomes is type(error) or str(error) not in str(raised.value)
    with pytest.raises(becomes):
        async for number in read():
            read_so_far.append(number)
    assert read_so_far == [1]


async def test_a_reader_that_stops_half_way_closes_what_it_reads() -> None:
    closed = False

    @translated
    async def read() -> AsyncIterator[int]:
        nonlocal closed
        try:
            yield 1
        finally:
            closed = True

    numbers: Any = read()
    with suppress(StopAsyncIteration):
        await anext(numbers)
    await numbers.aclose()
    assert closed


def test_a_function_that_is_not_asynchronous_is_refused() -> None:
    with pytest.raises(TypeError, match="ask"):

        @translated
        def ask() -> None:
            pass
