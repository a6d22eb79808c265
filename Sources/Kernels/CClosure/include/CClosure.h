// SPDX-License-Identifier: Apache-2.0
//
// A non-escaping Swift closure as the two words it is made of.
//
// Swift lets a non-escaping closure only be called or passed on, so handing one to other threads
// takes `withoutActuallyEscaping`, which allocates memory for every call. Its words can be stored; they
// are good for as long as the function that received the closure has not returned.
#pragma once

#pragma clang assume_nonnull begin

typedef struct {
    const void *function;
    void *_Nullable context;
} closure_words;

/// Calls the closure `(Int, Int) -> Void` that `closure` was made of.
static inline void call_closure(closure_words closure, long first, long second) {
    // Swift's calling convention: arguments in order, the context in a register of its own.
    typedef __attribute__((swiftcall)) void (*swift_function)(
        long, long, __attribute__((swift_context)) void *_Nullable);
    ((swift_function)closure.function)(first, second, closure.context);
}

#pragma clang assume_nonnull end
