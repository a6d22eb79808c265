// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface

#if arch(x86_64)
    import KernelsAVX2
    import KernelsAVX512BF16
    import KernelsAVX512VNNI
    import KernelsAVXVNNI
    import KernelsBaseline
#elseif arch(arm64)
    import KernelsNEON
#endif

extension KernelTable {
    /// The tables of the instruction sets that this processor has, fastest first.
    private static var instructionSetTables: [KernelTable] {
        #if arch(x86_64)
            let level = processor_level()
            // Even making a table takes its instructions.
            func wide() -> KernelTable {
                KernelsAVX512VNNI.table(over: reference, isIntel: processor_is_intel() != 0)
            }
            return [
                level.rawValue >= PROCESSOR_AVX512_BF16.rawValue
                    ? KernelsAVX512BF16.table(over: wide())
                    : nil,
                level.rawValue >= PROCESSOR_AVX512_VNNI.rawValue ? wide() : nil,
                level.rawValue == PROCESSOR_AVX_VNNI.rawValue
                    ? KernelsAVXVNNI.table(over: reference) : nil,
                level.rawValue >= PROCESSOR_AVX2.rawValue
                    ? KernelsAVX2.table(over: reference) : nil,
                KernelsBaseline.table(over: reference),
            ].compactMap { $0 }
        #elseif arch(arm64)
            return [KernelsNEON.table(over: reference)]
        #else
            return []
        #endif
    }

    /// The tables that this processor can run, fastest first; the reference is always last.
    public static let available: [KernelTable] = instructionSetTables + [reference]

    /// The instruction sets that decide which tables run, and whether this processor has them.
    public static let processorFeatures: [(name: String, isPresent: Bool)] =
        sequence(first: Int32(0)) { $0 + 1 }.lazy
        .map { index in
            processor_feature_name(index).map {
                (String(cString: $0), processor_has_feature(index) != 0)
            }
        }
        .prefix { $0 != nil }.compactMap { $0 }

    /// The table of that name, or the fastest one for `nil`.
    ///
    /// - Throws: `KernelError.unknownTable` when this processor has no such table.
    public static func named(_ name: String?) throws(KernelError) -> KernelTable {
        guard let name else { return available[0] }
        guard let table = available.first(where: { $0.name == name }) else {
            throw .unknownTable(name: name, available: available.map { $0.name })
        }
        return table
    }
}

/// Why kernels cannot be chosen.
public enum KernelError: Error, Equatable, CustomStringConvertible {
    /// No table of that name runs on this processor.
    case unknownTable(name: String, available: [String])

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unknownTable(let name, let available):
            "no kernels \(name) on this processor, expected one of \(available.joined(separator: ", "))"
        }
    }
}
