// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// A header's description of one tensor.
struct TensorEntry {
    let name: String
    let format: BlockFormat
    let shape: [Int]
    let elementCount: Int
    let byteCount: Int

    /// Bytes from the start of the data section.
    let dataOffset: UInt64

    /// Where the description starts in the file, for messages.
    let headerOffset: Int
}

extension ByteReader {
    /// The tensor descriptions of a header, with their data laid out one after the other.
    mutating func tensorTable(
        count: UInt64, alignment: UInt64
    ) throws(GGUFError) -> [TensorEntry] {
        var entries: [TensorEntry] = []
        var names: Set<[UInt8]> = []
        var expectedOffset: UInt64 = 0
        for index in 0..<count {
            let entry = try tensorEntry(index)
            guard names.insert(Array(entry.name.utf8)).inserted else {
                throw malformed(
                    at: entry.headerOffset, "tensor '\(entry.name)'", "the name occurs twice")
            }
            guard entry.dataOffset == expectedOffset else {
                throw malformed(
                    at: entry.headerOffset, "tensor '\(entry.name)'",
                    "its data starts at offset \(entry.dataOffset), expected \(expectedOffset): "
                        + "right after the tensor before it")
            }
            let (end, overflow) = expectedOffset.addingReportingOverflow(
                try paddedByteCount(entry, alignment))
            guard !overflow else { throw tooLarge(entry.headerOffset, entry.name) }
            expectedOffset = end
            entries.append(entry)
        }
        return entries
    }

    private mutating func tensorEntry(_ index: UInt64) throws(GGUFError) -> TensorEntry {
        let start = offset
        let name = try tensorName(index)
        let place = "tensor '\(name)'"
        let dimensionOffset = offset
        let dimensionCount: UInt32 = try integer("the number of dimensions of \(place)")
        guard dimensionCount <= GGUFLimits.dimensions else {
            throw malformed(
                at: dimensionOffset, place,
                "\(dimensionCount) dimensions, expected at most \(GGUFLimits.dimensions)")
        }
        var shape: [Int] = []
        for dimension in 0..<dimensionCount {
            shape.append(try extent(dimension, place))
        }
        let format = try blockFormat(name)
        let dataOffset: UInt64 = try integer("the data offset of \(place)")
        let (elements, bytes) = try size(shape, format, name, headerOffset: start)
        return TensorEntry(
            name: name, format: format, shape: shape, elementCount: elements, byteCount: bytes,
            dataOffset: dataOffset, headerOffset: start)
    }

    private mutating func tensorName(_ index: UInt64) throws(GGUFError) -> String {
        let start = offset
        let name = try string("the name of tensor \(index)")
        guard !name.isEmpty, name.utf8.count <= GGUFLimits.tensorNameBytes else {
            throw malformed(
                at: start, "the name of tensor \(index)",
                "\(name.utf8.count) bytes long, expected 1 to \(GGUFLimits.tensorNameBytes)")
        }
        return name
    }

    private mutating func extent(_ dimension: UInt32, _ place: String) throws(GGUFError) -> Int {
        let start = offset
        let stored: UInt64 = try integer("dimension \(dimension) of \(place)")
        guard let extent = Int(exactly: stored), extent > 0 else {
            throw malformed(
                at: start, place,
                "dimension \(dimension) is \(Int64(bitPattern: stored)), expected at least 1")
        }
        return extent
    }

    private mutating func blockFormat(_ tensor: String) throws(GGUFError) -> BlockFormat {
        let type: UInt32 = try integer("the type of tensor '\(tensor)'")
        guard let format = BlockFormat(rawValue: type) else {
            throw .unsupportedTensorType(
                file: file.path, tensor: tensor, type: tensorTypeName(type))
        }
        return format
    }

    /// Elements and bytes of a tensor; rows are whole blocks.
    private func size(
        _ shape: [Int], _ format: BlockFormat, _ name: String, headerOffset: Int
    ) throws(GGUFError) -> (elements: Int, bytes: Int) {
        let rowLength = shape.first ?? 1
        guard rowLength % format.blockLength == 0 else {
            throw malformed(
                at: headerOffset, "tensor '\(name)'",
                "rows of \(rowLength) elements, expected a multiple of \(format.blockLength) "
                    + "for type \(format.name)")
        }
        var elements = 1
        for extent in shape {
            let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw tooLarge(headerOffset, name) }
            elements = product
        }
        let (bytes, overflow) = (elements / format.blockLength).multipliedReportingOverflow(
            by: format.blockBytes)
        guard !overflow else { throw tooLarge(headerOffset, name) }
        return (elements, bytes)
    }

    private func paddedByteCount(
        _ entry: TensorEntry, _ alignment: UInt64
    ) throws(GGUFError) -> UInt64 {
        let (sum, overflow) = UInt64(entry.byteCount).addingReportingOverflow(alignment - 1)
        guard !overflow else { throw tooLarge(entry.headerOffset, entry.name) }
        return sum & ~(alignment - 1)
    }

    private func tooLarge(_ headerOffset: Int, _ name: String) -> GGUFError {
        malformed(at: headerOffset, "tensor '\(name)'", "its size overflows 64 bits")
    }
}
