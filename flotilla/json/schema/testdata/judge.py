"""Says what Python's jsonschema thinks: reads lines [schema, value], writes a word for each line:
valid, invalid (the value), or refused (the schema)."""

import json
import sys

import jsonschema



def refuses(kind, schema):
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError:
        return True
    return False


last, judge = None, None
for line in sys.stdin:
    schema, value = json.loads(line)
    if schema != last:  # checking one takes milliseconds, and lines of one schema come together
        kind = jsonschema.Draft202012Validator if "2020-12" in schema["$schema"] else jsonschema.Draft7Validator
        last, judge = schema, None if refuses(kind, schema) else kind(schema)
    print("refused" if judge is None else "valid" if judge.is_valid(value) else "invalid")
