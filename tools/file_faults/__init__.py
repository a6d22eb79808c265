# SPDX-License-Identifier: Apache-2.0
"""Runs of the program in which system calls fail, for check-faults."""
