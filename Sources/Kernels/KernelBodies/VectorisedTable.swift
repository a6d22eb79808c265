// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The reference's table with every kernel that this instruction set does faster.
///
/// - Parameter isIntel: whether the processor is Intel's.
func vectorisedTable(
    named name: String, over reference: KernelTable, isIntel: Bool = false
) -> KernelTable {
    var table = reference
    table.name = name
    table.vectoriseNormalisations()
    table.vectoriseSoftmax()
    table.vectoriseActivationFunctions()
    table.vectoriseRotations()
    table.vectoriseHalfPrecision()
    table.add = { sum, addend, count in
        forEachVector(count) { first, lanes in
            (FloatVector.load(sum + first, lanes) + .load(addend + first, lanes))
                .store(sum + first, lanes)
        }
    }
    table.attention = attentionKernels()
    table.panels = PanelKernels(
        rowsPerTile: RegisterTile.rows,
        quantisers: [quantiser(FloatScaling.self), quantiser(PowerOfTwoScaling.self)],
        products: panelProducts(FloatScaling.self, isIntel: isIntel)
            + panelProducts(PowerOfTwoScaling.self, isIntel: isIntel),
        expansions: panelExpansions(FloatScaling.self) + panelExpansions(PowerOfTwoScaling.self))
    table.panels.unpackingDelaysProducts = isIntel
    table.floatPanels = floatPanelKernels()
    return table
}
