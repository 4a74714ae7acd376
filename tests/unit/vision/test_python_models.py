"""Models of Triton's Python backend in this process, as job pods run them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from imagerift_vision import python_backend as pb
from imagerift_vision.python_models import API, NotHereError, PythonModels

MODEL = """
import json
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    @staticmethod
    def check(args):
        if args["model_name"] == "unfit":
            raise ValueError("no weights")

    def initialize(self, args):
        self.args = args
        self.config = json.loads(args["model_config"])

    def execute(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
        numbers = pb.get_input_tensor_by_name(request, "NUMBERS").as_numpy()
        if self.args["model_name"] == "first":
            answer = pb.InferenceRequest(
                model_name="second",
                requested_output_names=["NUMBERS"],
                inputs=[pb.Tensor("NUMBERS", numbers + 1)],
            ).exec()
            if answer.has_error():
                raise pb.TritonModelException(answer.error().message())
            numbers = pb.get_output_tensor_by_name(answer, "NUMBERS").as_numpy()
        if numbers.min() < 0:
            raise ValueError("a secret of a job")
        return pb.InferenceResponse([pb.Tensor("NUMBERS", numbers * 2)])

    def finalize(self):
        open(self.args["model_repository"] + "/ended", "w").close()
"""

LATER = """
import threading
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            told = (request.get_response_sender(), request)
            threading.Thread(target=self.later, args=told).start()

    def later(self, sender, request):
        numbers = pb.get_input_tensor_by_name(request, "NUMBERS").as_numpy()
        del request
        for number in numbers[:-1]:
            sender.send(pb.InferenceResponse([pb.Tensor("NUMBERS", numbers * number)]))
        if numbers[-1] < 0:
            return
        last = pb.InferenceResponse([pb.Tensor("NUMBERS", numbers)])
        sender.send(last, flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def finalize(self):
        raise ValueError("not well")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    for name in ("first", "second", "unfit"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.py").write_text(MODEL)
        (tmp_path / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n')
    before = sys.modules.get(API)
    yield tmp_path
    sys.modules.pop(API, None)
    if before is not None:
        sys.modules[API] = before
    pb.InferenceRequest.runs = None


def request(name: str, *numbers: int) -> pb.InferenceRequest:
    return pb.InferenceRequest(name, ["NUMBERS"], [pb.Tensor("NUMBERS", np.array(numbers))])


def asked(models: PythonModels, name: str, *numbers: int) -> pb.InferenceResponse:
    (response,) = models.run(request(name, *numbers))
    return response


def test_a_model_is_run_and_calls_another_as_on_a_server(repository: Path) -> None:
    models = PythonModels([repository])
    models.install()
    (answer,) = asked(models, "first", 1, 2).output_tensors()
    assert answer.name() == "NUMBERS"
    assert answer.as_numpy().tolist() == [8, 12]
    models.close()
    assert (repository / "first" / "ended").exists() and (repository / "second" / "ended").exists()


def test_what_a_model_raises_is_its_answer_s_error_without_its_words(repository: Path) -> None:
    models = PythonModels([repository])
    models.install()
    answer = asked(models, "second", -1)
    assert answer.has_error() and answer.output_tensors() == []
    error = answer.error()
    assert error is not None and error.message() == "second: ValueError"
    # It goes on, and so does whoever called it.
    assert asked(models, "first", -5).has_error()
    assert not asked(models, "second", 3).has_error()


def test_the_newest_version_is_taken_and_the_first_repository_wins(
    repository: Path, tmp_path: Path
) -> None:
    newer = repository / "second" / "10"
    newer.mkdir()
    (newer / "model.py").write_text(MODEL.replace("numbers * 2", "numbers * 10"))
    other = tmp_path / "other" / "second" / "99"
    other.mkdir(parents=True)
    (other / "model.py").write_text(MODEL)
    models = PythonModels([repository, tmp_path / "other"])
    models.install()
    assert asked(models, "second", 1).output_tensors()[0].as_numpy().tolist() == [10]


def test_what_is_not_here_or_of_another_backend_is_told_apart(repository: Path) -> None:
    (repository / "second" / "config.pbtxt").write_text('backend: "onnxruntime"\n')
    models = PythonModels([repository])
    models.install()
    with pytest.raises(NotHereError, match="there is no model third"):
        models.check("third")
    with pytest.raises(NotHereError, match="backend onnxruntime: a server"):
        models.check("second")
    with pytest.raises(ValueError, match="no weights"):
        models.check("unfit")
    models.check("first")
    assert asked(models, "third").has_error()


def test_a_decoupled_model_s_answers_are_waited_for_until_the_last(repository: Path) -> None:
    folder = repository / "later" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(LATER)
    models = PythonModels([repository])
    models.install()

    def sent(*numbers: int) -> list[list[int]]:
        found: list[pb.InferenceResponse] = []
        asking = request("later", *numbers)
        thread = Thread(target=lambda: found.extend(asking.exec(decoupled=True)), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        return [answer.output_tensors()[0].as_numpy().tolist() for answer in found]

    assert sent(2, 3, 5) == [[4, 6, 10], [6, 9, 15], [2, 3, 5]]
    assert sent(7) == [[7]]
    # One that ends without its last answer holds up nobody.
    assert sent(2, -1) == [[4, -2]]
    assert sent(-1) == []
    # Of a model with one answer it is the same; and many are not taken for one.
    answers = request("second", 3).exec(decoupled=True)
    assert isinstance(answers, Iterator)
    (answer,) = answers
    assert answer.output_tensors()[0].as_numpy().tolist() == [6]
    refused = request("later", 2, 3).exec()
    assert isinstance(refused, pb.InferenceResponse) and refused.has_error()
    # What it fails of in the end takes no result away.
    models.close()


def test_nothing_is_sent_behind_the_last_answer(repository: Path) -> None:
    sender = request("second", 1).get_response_sender()
    sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    with pytest.raises(pb.TritonModelException, match="was the last"):
        sender.send(pb.InferenceResponse())


def test_the_diffusion_model_alone_is_told_of_a_gpu(repository: Path) -> None:
    (repository / "diffusion").symlink_to(repository / "first")
    models = PythonModels([repository], "KIND_GPU")
    models.install()
    kinds = {
        name: models._arguments(name)["model_instance_kind"] for name in ("first", "diffusion")
    }
    assert kinds == {"first": "CPU", "diffusion": "GPU"}
    assert json.loads(models._arguments("first")["model_config"])["name"] == "first"
