// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How samples between and around those of a source are computed, with the names of Pillow's filters.
///
/// Each is a function of the distance in source samples, and is widened by the scale when shrinking.
public enum ResamplingFilter: Sendable, Hashable, CaseIterable {
    /// A triangle: straight lines between neighbours.
    case bilinear
    /// A cubic convolution with a = −0.5 (Keys, 1981).
    case bicubic
    /// A sinc, windowed by a three times wider sinc.
    case lanczos

    /// The distance from which on the filter is 0.
    var support: Double {
        switch self {
        case .bilinear: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight of a sample at a signed distance.
    func weight(at distance: Double) -> Double {
        let x = abs(distance)
        guard x < support else { return 0 }
        switch self {
        case .bilinear: return 1 - x
        case .bicubic:
            let a = -0.5
            return x < 1
                ? ((a + 2) * x - (a + 3)) * x * x + 1 : (((x - 5) * x + 8) * x - 4) * a
        case .lanczos: return Self.sinc(x) * Self.sinc(x / 3)
        }
    }

    /// sin(πx)/(πx).
    private static func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(x * .pi) / (x * .pi)
    }
}
