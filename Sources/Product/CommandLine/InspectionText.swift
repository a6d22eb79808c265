// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import GGUF

/// The most characters of a string that the metadata table prints in full.
private let longestString = 72

/// A file's content as readable tables.
func inspectionText(_ file: GGUFFile, arrayLimit: Int) -> String {
    let metadata = file.metadata.entries.map { entry in
        [
            escapingControls(entry.key, keepingLines: false), entry.value.typeName,
            valueText(entry.value, arrayLimit: arrayLimit),
        ]
    }
    let tensors = file.tensors.map { tensor in
        [
            "\(tensor.fileOffset)", "\(tensor.byteCount)", tensor.format.name,
            "\(tensor.shape)", escapingControls(tensor.name, keepingLines: false),
        ]
    }
    let totals = formatTotals(file.tensors).map { total in
        [
            total.type, "\(total.tensors)", "\(total.elements)", "\(total.bytes)",
            byteCountText(total.bytes),
        ]
    }
    let name = escapingControls(file.path, keepingLines: false)
    let template = file.promptTemplate.map { "Prompt template: \($0.rawValue)\n" } ?? ""
    return """
        \(name): GGUF version \(file.version), \(byteCountText(file.byteCount))
        \(template)
        Metadata: \(metadata.count) pairs
        \(tableText(metadata))
        Tensors: \(tensors.count)
        \(tableText([["offset", "bytes", "type", "shape", "name"]] + tensors, rightAligned: [0, 1]))
        Totals
        \(tableText([["type", "tensors", "elements", "bytes", "size"]] + totals, rightAligned: [1, 2, 3, 4]))
        """
}

/// The number of tensors, elements and bytes of one storage format.
struct FormatTotal: Equatable, Encodable {
    let type: String
    var tensors = 0
    var elements = 0
    var bytes = 0
}

/// The totals of each format, the largest first, then of all formats.
func formatTotals(_ tensors: [GGUFTensor]) -> [FormatTotal] {
    var totals: [BlockFormat: FormatTotal] = [:]
    var all = FormatTotal(type: "all")
    for tensor in tensors {
        totals[tensor.format, default: FormatTotal(type: tensor.format.name)].add(tensor)
        all.add(tensor)
    }
    return totals.values.sorted { ($0.bytes, $1.type) > ($1.bytes, $0.type) } + [all]
}

extension FormatTotal {
    fileprivate mutating func add(_ tensor: GGUFTensor) {
        tensors += 1
        elements += tensor.elementCount
        bytes += tensor.byteCount
    }
}

/// A value in one line.
///
/// Strings are quoted; long strings and arrays are cut.
func valueText(_ value: GGUFValue, arrayLimit: Int) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .bool(let value): "\(value)"
    case .uint8(let value): "\(value)"
    case .int8(let value): "\(value)"
    case .uint16(let value): "\(value)"
    case .int16(let value): "\(value)"
    case .uint32(let value): "\(value)"
    case .int32(let value): "\(value)"
    case .uint64(let value): "\(value)"
    case .int64(let value): "\(value)"
    case .float32(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .array(let array): arrayText(array, limit: arrayLimit)
    }
}

private func arrayText(_ array: GGUFArray, limit: Int) -> String {
    let elements = array.prefix(limit).map { valueText($0, arrayLimit: 0) }
    return "[\((elements + (array.count > limit ? ["…"] : [])).joined(separator: ", "))]"
}

private func quoted(_ text: String) -> String {
    let cut = text.count > longestString
    let shown = cut ? "\(text.prefix(longestString))…" : text
    return "\"\(escapingControls(shown, keepingLines: false))\""
}
