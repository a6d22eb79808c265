// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface

/// Keys or values of one head in a page, number by number.
struct ReferencePage {
    /// The head's numbers.
    let start: UnsafeMutableRawPointer
    let number: PageNumber
    let width: Int
    /// Keys lie token beside token, values column beside column.
    let areKeys: Bool

    subscript(slot slot: Int, column column: Int) -> Float {
        switch number {
        case .half: float_from_half(halves[place(slot, column, width)])
        case .float: floats[place(slot, column, width)]
        case .byte: Float(bytes(column)[bytePlace(slot, column)]) * scale(slot, column)
        }
    }

    /// Stores one token's numbers.
    func store(_ values: UnsafePointer<Float>, slot: Int) {
        for column in 0..<width {
            switch number {
            case .half: halves[place(slot, column, width)] = half_from_float(values[column])
            case .float: floats[place(slot, column, width)] = values[column]
            case .byte where column % PageNumber.numbersPerScale == 0:
                storeBlock(values + column, slot, column)
            case .byte: break
            }
        }
    }

    private func storeBlock(_ values: UnsafePointer<Float>, _ slot: Int, _ column: Int) {
        let magnitudes = (0..<PageNumber.numbersPerScale).map { values[$0].magnitude }
        let largest = magnitudes.contains { $0.isNaN } ? .nan : magnitudes.max() ?? 0
        // Numbers below 127 times the smallest half count as zero. Numbers beyond the largest half,
        // and NaN, make their whole block non-finite.
        let isSpoilt = !(largest < 127 * 65504)
        let isZero = largest < 127 * 0x1p-24
        block(column).assumingMemoryBound(to: UInt16.self)[slot] =
            isZero ? 0 : half_from_float(isSpoilt ? largest * .infinity : largest / 127)
        let factor = isZero || isSpoilt ? 0 : 127 / largest
        for index in 0..<PageNumber.numbersPerScale {
            bytes(column)[bytePlace(slot, column + index)] =
                factor == 0 ? 0 : Int8((values[index] * factor).rounded(.toNearestOrEven))
        }
    }

    private var halves: UnsafeMutablePointer<UInt16> { start.assumingMemoryBound(to: UInt16.self) }
    private var floats: UnsafeMutablePointer<Float> { start.assumingMemoryBound(to: Float.self) }

    private func place(_ slot: Int, _ column: Int, _ width: Int) -> Int {
        areKeys ? column * HeadPages.tokensPerPage + slot : slot * width + column
    }

    private func bytePlace(_ slot: Int, _ column: Int) -> Int {
        place(slot, column % PageNumber.numbersPerScale, PageNumber.numbersPerScale)
    }

    private func block(_ column: Int) -> UnsafeMutableRawPointer {
        start + column / PageNumber.numbersPerScale * PageNumber.blockByteCount
    }

    private func bytes(_ column: Int) -> UnsafeMutablePointer<Int8> {
        (block(column) + PageNumber.bytesOffset).assumingMemoryBound(to: Int8.self)
    }

    private func scale(_ slot: Int, _ column: Int) -> Float {
        float_from_half(block(column).assumingMemoryBound(to: UInt16.self)[slot])
    }
}

extension HeadTokens {
    /// One number of a token's key or value.
    func number(token: Int, column: Int, width: Int, areKeys: Bool) -> Float {
        switch self {
        case .rows(let rows):
            rows.start[token * rows.stride + column]
        case .pages(let pages):
            ReferencePage(
                start: pages.page(token), number: pages.number, width: width, areKeys: areKeys)[
                    slot: token % HeadPages.tokensPerPage, column: column]
        }
    }
}

extension PageRows {
    func store(_ page: UnsafeMutableRawPointer, _ number: PageNumber, areKeys: Bool) {
        let target = ReferencePage(start: page, number: number, width: width, areKeys: areKeys)
        for token in 0..<tokens { target.store(start + token * stride, slot: slot + token) }
    }
}
