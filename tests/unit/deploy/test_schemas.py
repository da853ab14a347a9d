"""Everything that a cluster is given is what its kinds ask for."""

import jsonschema
import pytest
from tests.unit.deploy.conftest import EXAMPLES
from tests.unit.deploy.schemas import check, crds


@pytest.mark.parametrize("example", EXAMPLES)
def test_rendered_objects_are_valid(rendered, example):
    operators = crds()
    for each in rendered[example]:
        check(each, operators)


@pytest.mark.parametrize("example", EXAMPLES)
def test_objects_of_the_chart_are_valid(charted, example):
    for each in charted[example]:
        check(each, {})


@pytest.mark.parametrize("kind", ["SparkApplication", "FlinkDeployment"])
def test_an_unknown_field_of_an_operator_is_found(rendered, kind):
    told = next(each for each in rendered["minimal"] if each["kind"] == kind)
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        check({**told, "spec": {**told["spec"], "replica": 1}}, crds())


def test_an_unknown_field_of_kubernetes_is_found(charted):
    told = next(each for each in charted["minimal"] if each["kind"] == "Deployment")
    with pytest.raises(Exception, match="replica"):
        check({**told, "spec": {**told["spec"], "replica": 1}}, {})
