// SPDX-License-Identifier: Apache-2.0
#include "CClosure.h"

/// Receives a closure as Swift passes it, a function and a context, and returns the two.
///
/// Declared in Swift alone, with a closure as its parameter: C has no type for one.
__attribute__((swiftcall)) closure_words trimllava_closure_words(
    const void *function, void *context);

closure_words trimllava_closure_words(const void *function, void *context) {
    return (closure_words){function, context};
}
