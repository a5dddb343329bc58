"""Runs the client's own tests: run.py sync|aio. A case is a line of JSON, {"case": NAME, "error": null or what it said}.

The package leaves out `e2e_test.base`, from which its tests take their configuration; a module of five lines stands for it.
"""
import importlib
import json
import os
import sys
import types
import unittest

MODULES = {
    "sync": ["kubernetes.dynamic.test_client", "kubernetes.dynamic.test_discovery"],
    "aio": ["kubernetes.aio.dynamic.client_test", "kubernetes.aio.dynamic.discovery_test"],
}


def shim(flavour):
    root = "kubernetes.aio" if flavour == "aio" else "kubernetes"
    package, base = types.ModuleType(f"{root}.e2e_test"), types.ModuleType(f"{root}.e2e_test.base")
    base.get_e2e_configuration = lambda: configuration(root)
    package.base = base
    sys.modules[package.__name__], sys.modules[base.__name__] = package, base


def configuration(root):
    client, config = importlib.import_module(f"{root}.client"), importlib.import_module(f"{root}.config")
    found = client.Configuration()
    loading = config.load_kube_config(config_file=os.environ["KUBECONFIG"], client_configuration=found)
    if loading is not None:
        import asyncio

        asyncio.run(loading)
    return found


class Result(unittest.TestResult):
    def tell(self, test, error):
        print(json.dumps({"case": test.id().removeprefix("kubernetes."), "error": error}), flush=True)

    def addSuccess(self, test):
        self.tell(test, None)

    def addFailure(self, test, err):
        self.tell(test, self._exc_info_to_string(err, test))

    addError = addFailure

    def addSkip(self, test, reason):
        self.tell(test, f"skipped: {reason}")


def main():
    flavour = sys.argv[1]
    shim(flavour)
    loader = unittest.TestLoader()
    for name in MODULES[flavour]:
        loader.loadTestsFromModule(importlib.import_module(name)).run(Result())


main()
