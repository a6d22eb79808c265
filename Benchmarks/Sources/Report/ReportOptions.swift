// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Weights
import WorkerPool

#if arch(x86_64)
    import KernelsAVXVNNIEVEX
#endif

/// What the command line asks for.
struct ReportOptions {
    /// Names of tables; empty for all.
    private(set) var tables: [String] = []
    private(set) var pair: ModelPair?
    private(set) var threads = PhysicalCores.count()
    /// The kernels that are measured.
    private(set) var kernels = KernelTable.available[0]
    /// The kinds of panels in the table of products.
    private(set) var kinds: [PanelKind] = []

    static let usage = """
        [--threads N] [--kernels TABLE] [--kind PANELKIND]… [--model TEXT.gguf MMPROJ.gguf] \
        [--vision-precision int8|bf16|float]
        """

    /// The tables that run here, and AVX-VNNI's in the encoding of AVX-512.
    private static var allKernels: [KernelTable] {
        let available = KernelTable.available
        #if arch(x86_64)
            guard available.contains(where: { $0.name == "avx512vnni" }) else { return available }
            return available + [KernelsAVXVNNIEVEX.table(over: .reference)]
        #else
            return available
        #endif
    }

    /// Nil if an option lacks its value or has a wrong one.
    init?(_ arguments: [String]) {
        var arguments = arguments[...]
        var precision: VisionPrecision?
        while let argument = arguments.popFirst() {
            switch argument {
            case "--threads":
                guard let count = arguments.popFirst().flatMap(Int.init), count > 0 else {
                    return nil
                }
                threads = count
            case "--kernels":
                guard let name = arguments.popFirst(),
                    let table = Self.allKernels.first(where: { $0.name == name })
                else { return nil }
                kernels = table
            case "--kind":
                guard let name = arguments.popFirst(),
                    let kind = PanelKind.quantised.first(where: { "\($0)" == name })
                else { return nil }
                kinds.append(kind)
            case "--model":
                guard let text = arguments.popFirst(), let projector = arguments.popFirst() else {
                    return nil
                }
                pair = ModelPair(text: text, projector: projector)
            case "--vision-precision":
                precision = arguments.popFirst().flatMap(VisionPrecision.init)
                guard precision != nil else { return nil }
            default: tables.append(argument)
            }
        }
        if let precision { pair?.visionPrecision = precision }
        pair?.kernels = kernels
        if kinds.isEmpty { kinds = PanelKind.quantised }
    }
}
