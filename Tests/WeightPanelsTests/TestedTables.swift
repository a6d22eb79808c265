// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

#if arch(x86_64)
    import KernelsAVXVNNIEVEX
#endif

/// The tables that this processor runs, and AVX-VNNI's in the encoding of AVX-512 where it runs that.
let testedTables: [KernelTable] = {
    var tables = KernelTable.available
    #if arch(x86_64)
        if tables.contains(where: { $0.name == "avx512vnni" }) {
            tables.append(KernelsAVXVNNIEVEX.table(over: .reference))
        }
    #endif
    return tables
}()

/// The names of the tables that are compared with the reference.
let vectorisedTables = testedTables.map(\.name).filter { $0 != "reference" }

func testedTable(_ name: String) throws -> KernelTable {
    try #require(testedTables.first { $0.name == name })
}
