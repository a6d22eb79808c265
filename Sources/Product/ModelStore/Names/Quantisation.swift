// SPDX-License-Identifier: Apache-2.0

/// How a text model's weights are stored, as publishers write it into file names.
struct Quantisation: Sendable, Hashable {
    /// In upper case, such as `Q4_K_M`, `F16` or `INT4`.
    let label: String

    /// A label as users and publishers spell it: `q4_k_m`, `fp16`, `Q_5_K`.
    init(_ text: some StringProtocol) {
        let upper = text.uppercased().replacing("Q_", with: "Q")
        label = upper.hasPrefix("FP") ? "F" + upper.dropFirst(2) : upper
    }

    /// A label after what is no letter and no digit.
    private static var pattern: Regex<(Substring, Substring)> {
        /(?:^|[^a-z0-9])((?:iq|tq|q)_?[0-9](?:_[a-z0-9]{1,3})*|(?:mx|nv)fp4(?:_moe)?|bf16|fp?16|fp?32|int[48])(?![a-z0-9])/
    }

    /// A text in lower case without all labels.
    static func removed(from text: String) -> String { text.replacing(pattern, with: "") }

    /// The last label in a file's path; nil if there is none.
    ///
    /// The folders count too: some publishers keep each quantisation in its own.
    init?(inPath path: String) {
        guard let match = path.lowercased().matches(of: Self.pattern).last else { return nil }
        self.init(match.1)
    }

    /// The label without llama.cpp's short forms, by which `Q4_K` is `Q4_K_M`.
    var full: String {
        ["Q3_K", "Q4_K", "Q5_K"].contains(label) ? label + "_M" : label
    }

    /// Whether numbers have 16 or 32 bits.
    var isFloat: Bool { ["F16", "BF16", "F32"].contains(label) }
}

extension Quantisation: CustomStringConvertible {
    var description: String { label }
}
