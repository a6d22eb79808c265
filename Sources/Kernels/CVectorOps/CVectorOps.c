// SPDX-License-Identifier: Apache-2.0
#include "CVectorOps.h"
