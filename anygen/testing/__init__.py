"""Contract tests of encoders and decoders, to run on your own plugins too."""
