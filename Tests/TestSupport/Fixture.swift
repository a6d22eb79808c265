// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The golden files that the test targets share.
public enum Fixture {
    /// The path of a file or folder below `Tests/TestSupport/Fixtures`.
    public static func path(_ relativePath: String) -> String {
        Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(relativePath)").path
    }

    /// The bytes of a file below `Tests/TestSupport/Fixtures`.
    public static func bytes(_ relativePath: String) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: URL(fileURLWithPath: path(relativePath))))
    }
}
