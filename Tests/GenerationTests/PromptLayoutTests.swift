// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@testable import Generation
@testable import Imaging
@testable import LLaVAModel

@Suite struct PromptLayoutTests {
    private let small = Self.picture(patchesPerSide: 1)
    private let large = Self.picture(patchesPerSide: 2)

    private static func picture(patchesPerSide: Int) -> PictureSelection {
        PictureSelection(
            all: VisualTokenLayout(
                .single(patchesPerSide: patchesPerSide), hasNewlines: false))
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
        let layout = VisualTokenLayout(.single(patchesPerSide: 2), hasNewlines: false)
        let pruned = PictureSelection(layout, keeping: [1, 3], lacksQuestion: false)
        let prompt = try PromptLayout([.tokens([1]), .picture(0), .tokens([6, 7])], [pruned])
        #expect(prompt.tokens == [1, -1, -1, 6, 7])
        #expect(prompt.originalPositions == [0, 2, 4, 5, 6])
        #expect(prompt.unprunedRowCount == 7)
    }
}
