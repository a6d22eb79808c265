// SPDX-License-Identifier: Apache-2.0

/// The release that this code belongs to.
public enum Release {
    /// Its version, by the rules of semantic versioning.
    ///
    /// The newest release in `CHANGELOG.md` has the same one.
    public static let version = "0.1.0"
}
