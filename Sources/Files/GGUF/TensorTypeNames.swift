// SPDX-License-Identifier: Apache-2.0

/// ggml's name of a tensor type that has no decoder here, or `77 (unknown)`.
func tensorTypeName(_ number: UInt32) -> String {
    if let name = removedTypes[number] {
        return "\(name), which ggml itself no longer reads"
    }
    return undecodedTypes[number] ?? "\(number) (unknown)"
}

/// Types of ggml's `enum ggml_type` that the runtime does not decode.
private let undecodedTypes: [UInt32: String] = [
    9: "Q8_1", 15: "Q8_K", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
]

/// Numbers that `enum ggml_type` has retired.
private let removedTypes: [UInt32: String] = [
    4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8",
]
