# SPDX-License-Identifier: Apache-2.0
"""What can go wrong."""

from __future__ import annotations


class TrimLLaVAError(Exception):
    """The base of all errors of this package."""


class ProgramError(TrimLLaVAError):
    """The program is not there, does not start, or has ended."""


class ConnectionLost(TrimLLaVAError):
    """The server did not answer, or the connection broke before the answer was whole."""


class RequestError(TrimLLaVAError):
    """The server refused a request.

    `status` is the HTTP status; `code` and `parameter` say what was wrong where the server knows.
    """

    def __init__(
        self, message: str, status: int, code: str | None = None, parameter: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.parameter = parameter


class PictureError(TrimLLaVAError):
    """A picture cannot be read on this side, before it is sent."""
