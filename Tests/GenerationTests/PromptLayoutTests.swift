// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Testing
import Tokenization

@testable import Generation

@Suite struct PromptLayoutTests {
    private let small = Self.picture(patchesPerSide: 1)
    private let large = Self.picture(patchesPerSide: 2)

    private static func picture(patchesPerSide: Int) -> PromptLayout.Picture {
        let rows = patchesPerSide * patchesPerSide
        return picture((0..<rows).map { Position($0) }, span: rows)
    }

    /// A picture without rows of text.
    private static func picture(_ positions: [Position], span: Int, isOnGrid: Bool = false)
        -> PromptLayout.Picture
    {
        PromptLayout.Picture(
            positions: positions, tokens: positions.map { _ in PromptLayout.visualToken },
            positionSpan: span, isOnGrid: isOnGrid, unprunedRowCount: max(span, positions.count))
    }

    @Test func picturesTakeTheirRowsWhereTheyStand() throws {
        let layout = try PromptLayout(
            [.tokens([1, 5]), .picture(1), .tokens([6]), .picture(0), .tokens([7, 8])],
            [small, large])
        #expect(layout.tokens == [1, 5, -1, -1, -1, -1, 6, -1, 7, 8])
        #expect(layout.pictureRows == [7..<8, 2..<6])
        #expect(layout.rowCount == 10 && layout.visualRowCount == 5)
    }

    @Test func picturesAloneAreAPrompt() throws {
        #expect(try PromptLayout([.picture(0)], [small]).tokens == [-1])
    }

    @Test func emptyPromptsAreRefused() {
        for prompt in [[], [.tokens([])]] as [[PromptPiece]] {
            #expect(throws: GenerationError.emptyPrompt) { try PromptLayout(prompt, []) }
        }
    }

    @Test(arguments: [
        ([], 1), ([0], 0), ([0], 2), ([0, 1, 2], 1), ([1], 1), ([-1], 1), ([0, 0], 2), ([0, 0], 1),
    ])
    func otherPicturesThanGivenAreRefused(references: [Int], given: Int) {
        let prompt = [PromptPiece.tokens([1])] + references.map { .picture($0) }
        let expected = GenerationError.pictureMismatch(
            inPrompt: references.count, given: given)
        #expect(throws: expected) {
            try PromptLayout(prompt, .init(repeating: small, count: given))
        }
    }

    @Test func prunedPicturesLeaveGapsInThePositions() throws {
        let pruned = Self.picture([1, 3], span: 4)
        let prompt = try PromptLayout([.tokens([1]), .picture(0), .tokens([6, 7])], [pruned])
        #expect(prompt.tokens == [1, -1, -1, 6, 7])
        #expect(prompt.originalPositions == [0, 2, 4, 5, 6])
        #expect(prompt.originalPositionCount == 7)
    }

    @Test func aPicturesOwnTextIsText() throws {
        let marked = PromptLayout.Picture(
            positions: [0, 1, 2], tokens: [9, -1, 9], positionSpan: 3, unprunedRowCount: 3)
        let prompt = try PromptLayout([.tokens([1]), .picture(0), .tokens([6])], [marked])
        #expect(prompt.tokens == [1, 9, -1, 9, 6])
        #expect(prompt.pictureRows == [1..<4])
    }

    /// A grid takes as many positions as its longer side is long, wherever it stands.
    @Test func rowsOfAGridKeepTheirPlaces() throws {
        let cells = (0..<2).flatMap { row in
            (0..<3).map { Position(time: 0, row: row, column: $0) }
        }
        let grid = Self.picture(cells, span: 3, isOnGrid: true)
        let prompt = try PromptLayout([.tokens([1, 5]), .picture(0), .tokens([6])], [grid])
        #expect(prompt.originalPositions[2] == 2)
        #expect(prompt.originalPositions[7] == Position(time: 2, row: 3, column: 4))
        #expect(prompt.originalPositions[8] == 5 && prompt.originalPositionCount == 6)
        #expect(!prompt.isPruned && prompt.compactPositions == prompt.originalPositions)
    }

    /// Without gaps, what follows a grid comes after the last row or column that is kept.
    @Test func compactGridsKeepTheirPlaces() throws {
        let kept = [Position(time: 0, row: 0, column: 1), Position(time: 0, row: 1, column: 0)]
        let pruned = PromptLayout.Picture(
            positions: kept, tokens: [-1, -1], positionSpan: 3, isOnGrid: true,
            unprunedRowCount: 6)
        let prompt = try PromptLayout([.tokens([1]), .picture(0), .tokens([6])], [pruned])
        #expect(prompt.isPruned)
        #expect(prompt.originalPositions.last == 4 && prompt.originalPositionCount == 5)
        #expect(prompt.compactPositions == [0, kept[0] + 1, kept[1] + 1, 3])
        #expect(prompt.compactPositionCount == 4)
    }
}
