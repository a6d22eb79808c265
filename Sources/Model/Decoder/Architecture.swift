// SPDX-License-Identifier: Apache-2.0
import TensorOps

extension DecoderConfig {
    /// The decoders that differ in tensors, biases, normalised heads or the rotary embedding.
    public enum Architecture: String, CaseIterable, Sendable {
        case llama, qwen2, qwen2vl, qwen3, qwen3vl, phi3

        /// Which numbers of a head form a pair.
        var pairing: RotaryEmbedding.Pairing { self == .llama ? .adjacent : .halves }

        /// Whether queries, keys and values are wrong without biases.
        var needsBiases: Bool { self == .qwen2 || self == .qwen2vl }

        /// Whether the heads of queries and keys are normalised before they are rotated.
        var normalisesHeads: Bool { self == .qwen3 || self == .qwen3vl }

        /// Whether heads are turned by the place of a row in its picture.
        package var needsSections: Bool { self == .qwen2vl || self == .qwen3vl }

        /// Whether rows of pictures may bring addends for the first layers.
        var takesAddends: Bool { self == .qwen3vl }

        /// The axis that turns each pair of a head's numbers.
        ///
        /// Qwen2-VL gives the first pairs to time, the next to rows and the last to columns. Qwen3-VL gives time, rows and
        /// columns one pair in turn, as long as rows and columns have any left, and all others to time.
        ///
        /// - Parameter sections: how many pairs time, rows and columns have.
        func axes(_ sections: [Int], pairs: Int) -> [Position.Axis] {
            guard self == .qwen3vl else {
                return zip([Position.Axis.time, .row, .column], sections).flatMap {
                    Array(repeating: $0, count: $1)
                }
            }
            return (0..<pairs).map { pair in
                switch pair % 3 {
                case 1 where pair < 3 * sections[1]: .row
                case 2 where pair < 3 * sections[2]: .column
                default: .time
                }
            }
        }
    }
}
