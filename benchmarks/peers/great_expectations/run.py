"""Validate the expectations once: python run.py URL DIRECTORY; the answer is JSON, one count per file.

Run by the interpreter of Great Expectations' own environment. Each file of DIRECTORY is a query
of unexpected rows. They name their tables and not the batch: they join several, and what stands
in for {batch} bears an alias of its own.
"""

import json
import sys
from pathlib import Path

import great_expectations as gx

url, directory = sys.argv[1:]
context = gx.get_context(mode="ephemeral")
context.enable_analytics(False)
source = context.data_sources.add_postgres("bookings", connection_string=url)
calls = source.add_table_asset("calls", table_name="calls", schema_name="public")
suite = context.suites.add(
    gx.ExpectationSuite(
        name="twelve",
        expectations=[
            gx.expectations.UnexpectedRowsExpectation(
                unexpected_rows_query=path.read_text(), meta={"check": path.stem}
            )
            for path in sorted(Path(directory).glob("*.sql"))
        ],
    )
)
validation = gx.ValidationDefinition(
    name="twelve", data=calls.add_batch_definition_whole_table("whole"), suite=suite
)
checked = context.validation_definitions.add(validation).run()
counts = {}
for result in checked.results:
    if "observed_value" not in result.result:
        sys.exit(f"{result.expectation_config.meta['check']}: {result.exception_info}")
    counts[result.expectation_config.meta["check"]] = result.result["observed_value"]
print(json.dumps(counts))
