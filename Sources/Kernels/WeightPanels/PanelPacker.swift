// SPDX-License-Identifier: Apache-2.0
public import BlockFormats
public import KernelInterface

/// Rearranges a file's blocks into the panels that kernels read, changing no number.
public struct PanelPacker: Sendable {
    /// How the file stores the matrix.
    public let format: BlockFormat
    /// The panels' layout.
    public let kind: PanelKind
    /// Inputs of the matrix: a multiple of the format's block length.
    public let inputs: Int

    /// A packer of rows of `inputs` weights.
    public init(_ format: BlockFormat, inputs: Int) {
        precondition(inputs % format.blockLength == 0)
        self.format = format
        kind = PanelKind(format)
        self.inputs = inputs
    }

    /// Bytes of one panel.
    public var panelBytes: Int { kind.panelBytes(inputs) }

    /// Packs up to 32 consecutive rows, one per output, into one panel.
    ///
    /// - Returns: the first row with a non-finite scale, or nil if there is none. Rows of floats
    ///   are not checked.
    public func pack(
        _ rows: UnsafeRawPointer, count: Int, into panel: UnsafeMutableRawPointer
    ) -> Int? {
        precondition(count <= PanelKind.columns)
        guard !kind.isFloat else {
            packFloats(rows, count: count, into: panel)
            return nil
        }
        func pack<Packing: BlockPacking>(_ packing: Packing.Type) -> Int? {
            packing.pack(rows, inputs: inputs, count: count, into: panel)
        }
        return switch format {
        case .q4_0: pack(Q4_0Packing.self)
        case .q4_1: pack(Q4_1Packing.self)
        case .q5_0: pack(Q5_0Packing.self)
        case .q5_1: pack(Q5_1Packing.self)
        case .q8_0: pack(Q8_0Packing.self)
        case .q2_K: pack(Q2_KPacking.self)
        case .q3_K: pack(Q3_KPacking.self)
        case .q4_K: pack(Q4_KPacking.self)
        case .q5_K: pack(Q5_KPacking.self)
        case .q6_K: pack(Q6_KPacking.self)
        case .iq4_nl: pack(IQ4_NLPacking.self)
        case .iq4_xs: pack(IQ4_XSPacking.self)
        case .mxfp4: pack(MXFP4Packing.self)
        case .nvfp4: pack(NVFP4Packing.self)
        case .q1_0: pack(Q1_0Packing.self)
        case .q2_0: pack(Q2_0Packing.self)
        case .tq1_0: pack(TQ1_0Packing.self)
        case .tq2_0: pack(TQ2_0Packing.self)
        case .iq1_s: pack(IQ1_SPacking.self)
        case .iq1_m: pack(IQ1_MPacking.self)
        case .iq2_xxs: pack(IQ2_XXSPacking.self)
        case .iq2_xs: pack(IQ2_XSPacking.self)
        case .iq2_s: pack(IQ2_SPacking.self)
        case .iq3_xxs: pack(IQ3_XXSPacking.self)
        case .iq3_s: pack(IQ3_SPacking.self)
        case .f32, .f16, .bf16: preconditionFailure("\(format.name) has no blocks")
        }
    }
}

extension PanelKind {
    /// The version of all layouts.
    ///
    /// Raise it with every change of a layout or a raw value, so that panels cached in files are
    /// packed again.
    public static let layoutVersion: UInt32 = 4

    /// The panels that hold a format's weights.
    public init(_ format: BlockFormat) {
        switch format {
        case .f32: self = .f32
        case .f16: self = .f16
        case .bf16: self = .bf16
        case .q4_0: self = .q4_0
        case .q4_1: self = .q4_1
        case .q5_0: self = .q5_0
        case .q5_1: self = .q5_1
        case .q8_0: self = .q8_0
        case .q2_K: self = .q2_K
        case .q3_K: self = .q3_K
        case .q4_K: self = .q4_K
        case .q5_K: self = .q5_K
        case .q6_K: self = .q6_K
        case .iq4_nl: self = .iq4_nl
        case .iq4_xs: self = .iq4_xs
        case .mxfp4: self = .mxfp4
        case .nvfp4: self = .nvfp4
        case .q1_0: self = .q1_0
        case .q2_0: self = .q2_0
        case .tq1_0, .tq2_0: self = .tq
        case .iq1_s, .iq1_m: self = .iq1
        case .iq2_xxs, .iq2_xs, .iq2_s: self = .iq2
        case .iq3_xxs: self = .iq3_xxs
        case .iq3_s: self = .iq3_s
        }
    }
}
