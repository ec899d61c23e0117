"""Runs in the interpreter that has the real package: python live_package.py CASES.json INPUTS.npz OUTPUTS.npz.

Case k is {"name", "kwargs"} and perhaps {"internal_sigmoid"}, the package's global; its input is array k. Written are
"y<k>", "scale<k>", and "error<k>" for what the package refuses.
"""

import json
import sys

import numpy as np


def main(cases_file: str, inputs_file: str, outputs_file: str) -> None:
    import qkeras.quantizers as package

    with open(cases_file) as file:
        cases = json.load(file)
    inputs = np.load(inputs_file)
    results = {}
    for k, case in enumerate(cases):
        package.set_internal_sigmoid(case.get("internal_sigmoid", "hard"))
        try:
            quantizer = getattr(package, case["name"])(**case["kwargs"])
            results[f"y{k}"] = np.asarray(quantizer(inputs[str(k)]), dtype=np.float32)
            if getattr(quantizer, "scale", None) is not None:
                results[f"scale{k}"] = np.asarray(quantizer.scale, dtype=np.float32)
        except Exception as error:
            results[f"error{k}"] = np.array(f"{type(error).__name__}: {error}"[:200])
    np.savez(outputs_file, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
