"""What the end-to-end scripts share, in one place to import from: checks, HTTP by hand, a service, the program.

A script registers its cases with @case and ends in main(); it exits with 1 if one of them failed.
"""
from backend import Answer, Backend
from checks import (PATIENCE, PROGRAM, ROOT, SANITIZED, SLOWDOWN, Failed, case, check, check_equal, main, percentile,
                    wait_until)
from program import Flotilla
from wire import AsyncClient, Message, Wire, ask, check_problem

__all__ = ["PATIENCE", "PROGRAM", "ROOT", "SANITIZED", "SLOWDOWN", "Answer", "AsyncClient", "Backend", "Failed",
           "Flotilla", "Message", "Wire", "ask", "case", "check", "check_equal", "check_problem", "main", "percentile",
           "wait_until"]
