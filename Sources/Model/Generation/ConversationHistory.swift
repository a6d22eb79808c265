// SPDX-License-Identifier: Apache-2.0
import Tokenization

/// Everything that was said, with pictures of which nothing is left out: what it takes to select among
/// their visual tokens anew.
struct ConversationHistory {
    private(set) var pieces: [PromptPiece] = []
    private(set) var pictures: [EncodedPicture] = []

    /// The history with one more prompt and its pictures.
    func appending(
        _ prompt: [PromptPiece], _ more: [EncodedPicture]
    ) -> ConversationHistory {
        var history = self
        history.pieces += prompt.map { piece in
            switch piece {
            case .tokens: piece
            case .picture(let index): .picture(index + pictures.count)
            }
        }
        history.pictures += more
        return history
    }
}
