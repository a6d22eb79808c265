// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// Unpacked panels: the minima as they were, then a line of float scales for each block and a line
/// of bytes for each quad.
///
/// Kernels multiply and add the same numbers in the same order, so products are the same bits. A
/// generic type, a refined format or a constraint on `Scales` here would leave metadata of structs in the
/// module, with functions that copy them in wide registers.
protocol ExpandedPanel: PanelFormat {
    associatedtype Format: PanelFormat
}

/// Q4_0 unpacked.
enum ExpandedQ4_0Panel: ExpandedPanel {
    typealias Format = Q4_0Panel
    typealias Scales = Column
}

/// Q8_0 with scales as floats.
enum ExpandedQ8_0Panel: ExpandedPanel {
    typealias Format = Q8_0Panel
    typealias Scales = Column
}

/// Q3_K unpacked.
enum ExpandedQ3_KPanel: ExpandedPanel {
    typealias Format = Q3_KPanel
    typealias Scales = Column
}

/// Q4_K unpacked: tiles of three rows find the scales of six bits twice as often as those of six.
enum ExpandedQ4_KPanel: ExpandedPanel {
    typealias Format = Q4_KPanel
    typealias Scales = Column
}

/// Q5_K unpacked.
enum ExpandedQ5_KPanel: ExpandedPanel {
    typealias Format = Q5_KPanel
    typealias Scales = Column
}

/// Q6_K unpacked.
enum ExpandedQ6_KPanel: ExpandedPanel {
    typealias Format = Q6_KPanel
    typealias Scales = Column
}

/// IQ1 unpacked.
enum ExpandedIQ1Panel: ExpandedPanel {
    typealias Format = IQ1Panel
    typealias Scales = Column
}

/// IQ2 unpacked.
enum ExpandedIQ2Panel: ExpandedPanel {
    typealias Format = IQ2Panel
    typealias Scales = Column
}

extension ExpandedPanel where Scales == Column {
    @inline(__always) static var layout: PanelLayout {
        PanelLayout(
            superblockLength: Format.layout.superblockLength, blockLength: Format.blockLength,
            factors: minimaBytes,
            weights: minimaBytes &+ PanelLayout.line &* (Format.parts &* Format.blocksPerPart),
            runLength: Format.blockLength, lines: Format.blockLength / 4)
    }
    @inline(__always) static var isInMemory: Bool { false }
    @inline(__always) static var minima: Minima { Format.minima }
    @inline(__always) static var zeroPoint: Int { Format.zeroPoint }

    /// Bytes of a superblock that minima are read from, which are copied.
    @inline(__always) private static var minimaBytes: Int {
        Format.minima == .none ? 0 : Format.layout.weights
    }

    /// Where a block has its scale, in a line of floats.
    @inline(__always)
    private static func scaleOffset(_ block: Int) -> Int {
        layout.factors &+ PanelLayout.line &* block
    }

    /// Where the line of a pair's first quad is.
    @inline(__always)
    private static func offset(part: Int, block: Int, index: Int) -> Int {
        layout.run(block, part: part) &+ 2 &* PanelLayout.line &* index
    }

    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        unsafeBitCast(column.words(at: scaleOffset(block)), to: FloatVector.self)
    }
    @inline(__always) static func minimumPair(_ column: Column, _ pair: Int) -> IntVector {
        Format.minimumPair(Format.scales(column), pair)
    }
    @inline(__always) static func minimumScale(_ column: Column) -> FloatVector {
        Format.minimumScale(Format.scales(column))
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let offset = offset(part: part, block: block, index: index)
        return (
            integers(column.words(at: offset)),
            integers(column.words(at: offset &+ PanelLayout.line))
        )
    }
    @inline(__always) static func start(_ start: IntVector) -> IntVector {
        Format.start(start)
    }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        Format.dot(sum, weights, quad)
    }
    @inline(__always) static var addsPairs: Bool { Format.addsPairs }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: (even: IntVector, odd: IntVector), _ even: IntVector,
        _ odd: IntVector
    ) -> IntVector {
        Format.dot(sum, weights, even, odd)
    }
    @inline(__always) static func finish(_ sum: IntVector, _ start: IntVector) -> IntVector {
        Format.finish(sum, start)
    }

    /// Unpacks a panel.
    @inline(__always)
    static func expand(
        _ panel: UnsafeRawPointer, superblocks: Int, into target: UnsafeMutableRawPointer
    ) {
        for superblock in 0..<superblocks {
            let source = panel + superblock &* Format.superblockBytes
            let out = target + superblock &* superblockBytes
            out.copyMemory(from: source, byteCount: minimaBytes)
            var lane = 0
            while lane < PanelKind.columns {
                expand(Column(panel: source, lane: lane, isStreamed: false), into: out + 4 &* lane)
                lane &+= lane_count
            }
        }
    }

    /// Unpacks one vector of columns of a superblock.
    @inline(__always)
    private static func expand(_ column: Column, into out: UnsafeMutableRawPointer) {
        let scales = Format.scales(column)
        for part in 0..<parts {
            for block in 0..<blocksPerPart {
                let number = part &* blocksPerPart &+ block
                out.storeBytes(
                    of: Format.scale(scales, number), toByteOffset: scaleOffset(number),
                    as: FloatVector.self)
                for index in 0..<(blockLength / 8) {
                    let (even, odd) = Format.weights(
                        column, part: part, block: block, index: index)
                    let offset = offset(part: part, block: block, index: index)
                    out.storeBytes(of: even, toByteOffset: offset, as: IntVector.self)
                    out.storeBytes(
                        of: odd, toByteOffset: offset &+ PanelLayout.line, as: IntVector.self)
                }
            }
        }
    }
}

/// The expansions of those kinds of panels that have one.
func panelExpansions<Scaling: BlockScaling>(
    _ scaling: Scaling.Type
) -> [PanelKernels.Expansion?] {
    @inline(__always)
    func expansion<Panel: ExpandedPanel>(
        _ panel: Panel.Type, isForFewUnits: Bool = false
    ) -> PanelKernels.Expansion where Panel.Scales == Column {
        PanelKernels.Expansion(
            superblockBytes: Panel.superblockBytes, isForFewUnits: isForFewUnits,
            expand: { panel, superblocks, target in
                Panel.expand(panel, superblocks: superblocks, into: target)
            },
            product: { rows, panels, count, superblocks, tile, out, outStride in
                multiplyPanels(
                    Panel.self, scaling, rows: rows, panels, count: count,
                    superblocks: superblocks, tile, isIntel: true, out, outStride: outStride)
            })
    }
    return PanelKind.quantised.map { kind in
        switch kind {
        #if SIX_ROW_TILES
            case .q4_0: expansion(ExpandedQ4_0Panel.self, isForFewUnits: true)
            case .q8_0: expansion(ExpandedQ8_0Panel.self, isForFewUnits: true)
            case .q4_K: expansion(ExpandedQ4_KPanel.self, isForFewUnits: true)
        #else
            case .q4_K: expansion(ExpandedQ4_KPanel.self)
        #endif
        case .q3_K: expansion(ExpandedQ3_KPanel.self)
        case .q5_K: expansion(ExpandedQ5_KPanel.self)
        case .q6_K: expansion(ExpandedQ6_KPanel.self)
        case .iq1: expansion(ExpandedIQ1Panel.self)
        case .iq2: expansion(ExpandedIQ2Panel.self)
        default: nil
        }
    }
}
