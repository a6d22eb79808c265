// SPDX-License-Identifier: Apache-2.0
//
// The system calls of Linux by which a process gives up rights for good: Landlock for files, seccomp for system calls.
//
// Functions return -1 with `errno` set on failure, and ENOSYS on other systems.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// What may be done with a file, or with a folder and everything below it.
enum {
    /// Read files and list folders.
    SANDBOX_READ = 1,
    /// Write to files that exist.
    SANDBOX_WRITE = 2,
    /// Make files and folders, rename them within a folder, and delete files.
    SANDBOX_CHANGE_FOLDER = 4,
};

/// The version of Landlock's interface, from 1.
///
/// Fails with ENOSYS where the kernel was built without Landlock, and with EOPNOTSUPP where it was not enabled at boot.
int sandbox_landlock_version(void);

/// Whether the kernel filters system calls, as 0.
int sandbox_check_filter(void);

/// Opens a set of rules that forbids everything about files and about TCP that Landlock can forbid.
int sandbox_open_rules(int version);

/// Adds a rule for what a path leads to. Rights that only folders have are left out for files.
///
/// Pipes and sockets need no rule, and what the process cannot reach needs none either. What is in /proc stays open.
int sandbox_allow(int rules, const char *path, unsigned rights);

/// Applies the rules to all threads of the process, and with them `no_new_privs`.
///
/// Every thread gets SIGSYS, whose handler asks the kernel for itself: Landlock's call is for one thread, and Dispatch
/// blocks most other signals. Threads that are started later inherit the rules.
///
/// Fails with ETIMEDOUT where a thread does not take the signal, EAGAIN where threads keep starting, or the kernel's error.
int sandbox_apply_rules(int rules);

/// Filters the system calls of all threads.
///
/// - Parameter accepts: whether sockets that are open may still accept connections, and exchange data.
int sandbox_filter_calls(bool accepts);

#pragma clang assume_nonnull end
