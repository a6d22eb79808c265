// SPDX-License-Identifier: Apache-2.0

/// The fields of everything that is written for other programs.
///
/// `docs/output.md` describes them.
package enum OutputSchema {
    /// Rises when a field changes its name or its meaning.
    ///
    /// New fields leave it as it is.
    package static let version = 1

    /// Seconds as they are written: to the microsecond.
    package static func seconds(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }

    /// A rate as it is written: to a thousandth.
    package static func rate(_ perSecond: Double) -> Double { (perSecond * 1e3).rounded() / 1e3 }
}
