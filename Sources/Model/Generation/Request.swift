// SPDX-License-Identifier: Apache-2.0
import Pictures
import TokenPruning
import Tokenization

extension BatchGenerator {
    /// A picture of a prompt.
    public enum PictureInput: Sendable {
        /// Tiles that the generator encodes.
        ///
        /// - Parameter key: what the picture shows, so that others can share its rows; nil for a picture that
        ///   is not known again.
        case tiles(TileBatch, key: PictureKey? = nil)
        /// A picture that was encoded for all that the request's selector looks at.
        case encoded(EncodedPicture)
        /// A picture whose rows were chosen for an earlier question.
        case selected(SelectedPicture)
    }

    /// A prompt with its pictures.
    public struct Request: Sendable {
        /// What the answer is known by.
        public let id: Int
        /// The prompt.
        public let prompt: [PromptPiece]
        /// Every picture that the prompt refers to.
        public private(set) var pictures: [PictureInput]
        /// The question as typed, for selectors of visual tokens that look at it.
        public let question: [TokenID]
        /// For each picture the question that it came with, by which its visual tokens are selected; nil where all came
        /// with `question`.
        public let pictureQuestions: [[TokenID]]?
        /// How its answer is generated.
        public let options: GenerationOptions
        /// Whether somebody reads the answer while it is generated, and must not wait long between two tokens.
        public let isStreamed: Bool
        /// Whether the prompt and its answer are likely to be continued: their rows then stay in the cache as
        /// long as there is room.
        public let isContinued: Bool
        /// What selectors of later requests will look at of the same pictures.
        public let pictureNeeds: Set<SelectionNeed>
        /// Rows at the prompt's start that were recorded with earlier questions, where the cache has them.
        var saidRows = 0

        /// A prompt with its pictures.
        public init(
            id: Int, prompt: [PromptPiece], pictures: [PictureInput], question: [TokenID] = [],
            pictureQuestions: [[TokenID]]? = nil, options: GenerationOptions,
            isStreamed: Bool = false, isContinued: Bool = false,
            pictureNeeds: Set<SelectionNeed> = []
        ) {
            precondition(pictureQuestions.map { $0.count == pictures.count } ?? true)
            self.id = id
            self.prompt = prompt
            self.pictures = pictures
            self.question = question
            self.pictureQuestions = pictureQuestions
            self.options = options
            self.isStreamed = isStreamed
            self.isContinued = isContinued
            self.pictureNeeds = pictureNeeds
        }

        /// The same request once its pictures are encoded: their tiles need no memory any more.
        var withoutPictures: Request {
            var request = self
            request.pictures = []
            return request
        }

        /// A prompt with its pictures' tiles.
        public init(
            id: Int, prompt: [PromptPiece], pictures: [TileBatch], question: [TokenID] = [],
            options: GenerationOptions
        ) {
            self.init(
                id: id, prompt: prompt, pictures: pictures.map { .tiles($0) }, question: question,
                options: options)
        }
    }

    /// What happens to a request before its end.
    public enum Event: Sendable, Equatable {
        /// A picture, counted from 0, is in the vision tower; `done` goes from 0 to 1.
        case encoding(picture: Int, of: Int, done: Double)
        /// The prompt's rows are in the decoder; `done` goes from 0 to 1.
        case reading(done: Double)
        /// The next piece of the answer; always whole characters.
        case text(String)
    }

    /// What became of a request.
    public struct Outcome: Sendable {
        /// The request's.
        public let id: Int
        /// The answer, or why there is none.
        public let result: Result<Answer, GenerationError>
    }
}

extension BatchGenerator.PictureInput {
    /// What becomes of the picture.
    private var plan: PicturePlan {
        switch self {
        case .tiles(let tiles, _): tiles.plan
        case .encoded(let picture): picture.plan
        case .selected(let picture): picture.plan
        }
    }

    /// The most rows that the picture may take.
    func largest(_ options: GenerationOptions) -> PromptLayout.Picture {
        if case .selected(let picture) = self { return picture.inPrompt }
        return PromptLayout.Picture(largest: plan, options)
    }
}

/// How far a prompt has come on its way through the model; the answer begins after it.
public enum PromptProgress: Sendable, Equatable {
    /// A picture, counted from 0, is in the vision tower; `done` goes from 0 to 1.
    case encoding(picture: Int, of: Int, done: Double)
    /// The prompt's rows are in the decoder; `done` goes from 0 to 1.
    case reading(done: Double)
}
