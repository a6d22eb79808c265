// SPDX-License-Identifier: Apache-2.0
#pragma once

/// How often this process has called `malloc`, counted on glibc; elsewhere -1.
///
/// Only for programs of their own: it replaces `malloc` in the whole process.
long allocation_count(void);
