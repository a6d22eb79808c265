// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The number of calls of `malloc` in this process, on glibc; -1 elsewhere.
///
/// Only for stand-alone programs: it replaces `malloc` in the whole process.
long allocation_count(void);
