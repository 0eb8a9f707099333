"""Label Studio's formats and interface.

config   labelling configuration (XML) -> LabelConfig
wire     every JSON body that crosses between Label Studio and this package; the score's sign turns here only
client   what is asked of Label Studio over HTTP; the only place that imports label_studio_sdk, and lazily
"""
