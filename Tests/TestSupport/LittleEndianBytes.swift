// SPDX-License-Identifier: Apache-2.0

/// The bytes of an integer, lowest first.
public func littleEndianBytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
