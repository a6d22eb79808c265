// SPDX-License-Identifier: Apache-2.0
import Foundation

/// An array of a NumPy `.npy` file: little-endian float32, int32, int64 or uint8, in C order.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
public struct NPYArray {
    /// The extents, outermost first.
    public let shape: [Int]

    private let elements: Elements

    private enum Elements {
        case float32([Float])
        case int32([Int32])
        case int64([Int64])
        case uint8([UInt8])
    }

    /// The elements of a float32 file; empty for other types.
    public var floats: [Float] { if case .float32(let values) = elements { values } else { [] } }

    /// The elements of an int32 file; empty for other types.
    public var int32s: [Int32] { if case .int32(let values) = elements { values } else { [] } }

    /// The elements of an int64 file; empty for other types.
    public var int64s: [Int64] { if case .int64(let values) = elements { values } else { [] } }

    /// The elements of a uint8 file; empty for other types.
    public var uint8s: [UInt8] { if case .uint8(let values) = elements { values } else { [] } }

    /// Reads the array from the bytes of a file.
    public init(bytes: [UInt8]) throws {
        guard bytes.count >= 12, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
            throw NPYError("not an .npy file")
        }
        let lengthBytes = bytes[6] == 1 ? 2 : 4
        let headerLength = bytes[8..<8 + lengthBytes].reversed().reduce(0) { $0 << 8 | Int($1) }
        let dataStart = 8 + lengthBytes + headerLength
        guard dataStart <= bytes.count else { throw NPYError("the header is cut off") }
        let header = String(decoding: bytes[8 + lengthBytes..<dataStart], as: UTF8.self)
        guard header.contains("'fortran_order': False") else {
            throw NPYError("not in C order: \(header)")
        }
        guard let match = header.firstMatch(of: /'shape': \(([0-9, ]*)\)/),
            let type = header.firstMatch(of: /'descr': '([^']*)'/)?.1
        else { throw NPYError("unreadable header: \(header)") }
        shape = match.1.split(separator: ",").compactMap {
            Int($0.trimmingCharacters(in: .whitespaces))
        }
        let data = Array(bytes[dataStart...])
        let count = shape.reduce(1, *)
        switch type {
        case "<f4":
            elements = .float32(try integers(UInt32.self, count, data).map(Float.init(bitPattern:)))
        case "<i4": elements = .int32(try integers(Int32.self, count, data))
        case "<i8": elements = .int64(try integers(Int64.self, count, data))
        case "|u1": elements = .uint8(try integers(UInt8.self, count, data))
        default: throw NPYError("unsupported element type \(type)")
        }
    }

    /// Reads a file at a path.
    public init(path: String) throws {
        try self.init(bytes: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    }

    /// Reads a file below `Tests/TestSupport/Fixtures`.
    public init(fixture: String) throws {
        try self.init(bytes: Fixture.bytes(fixture))
    }
}

/// Why an `.npy` file cannot be read.
public struct NPYError: Error, CustomStringConvertible {
    /// The reason.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

private func integers<Number: FixedWidthInteger>(
    _ type: Number.Type, _ count: Int, _ data: [UInt8]
) throws -> [Number] {
    let size = MemoryLayout<Number>.size
    guard data.count == count * size else {
        throw NPYError("\(data.count) bytes of data, expected \(count * size)")
    }
    return data.withUnsafeBytes { buffer in
        (0..<count).map {
            Number(
                littleEndian: buffer.loadUnaligned(fromByteOffset: $0 * size, as: Number.self))
        }
    }
}
