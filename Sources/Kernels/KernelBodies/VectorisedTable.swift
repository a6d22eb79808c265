// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The reference's table with every kernel that this instruction set does faster.
func vectorisedTable(named name: String, over reference: KernelTable) -> KernelTable {
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
        products: panelProducts(FloatScaling.self) + panelProducts(PowerOfTwoScaling.self),
        expansions: panelExpansions(FloatScaling.self) + panelExpansions(PowerOfTwoScaling.self))
    table.floatPanels = floatPanelKernels()
    return table
}
