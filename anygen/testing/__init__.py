"""The contract tests: what plugins promise, to be run on plugins of other packages as well."""
