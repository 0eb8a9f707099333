"""A trained model in other forms, each a folder of its own, and what each form costs.

tracing        the network as a graph of two inputs and one output, and what it is traced with
openvino       OpenVINO files in float32: what serves
onnx           an ONNX file; `example` goes with it and needs nothing of this package
int8           OpenVINO files with 8-bit weights and activations, calibrated on reports
torch_int8     8-bit weights for torch
smaller        fewer layers, narrower feed-forward blocks
artefacts      any of these as complete folders, written aside and renamed
comparison     size, F1, uncertainty and speed of all of them on the same reports
"""

from trainer.export.openvino import export_openvino

__all__ = ["export_openvino"]
