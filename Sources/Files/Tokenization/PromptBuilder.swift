// SPDX-License-Identifier: Apache-2.0

/// A part of a prompt.
public enum PromptPiece: Sendable, Equatable {
    /// Text.
    case tokens([TokenID])
    /// The visual tokens of the picture with this position among those given for the turn.
    case picture(Int)
}

/// Formats questions and pictures as in a model's training.
///
/// A question is plain text, even if it looks like a part of the template. Only the marker `<image>` has a
/// meaning: it places a picture. Without markers the pictures come first.
///
/// As in LLaVA, the text between pictures is encoded piece by piece.
public struct PromptBuilder: Sendable {
    /// The marker that places a picture in a question.
    public static let pictureMarker = "<image>"

    /// The template.
    public let template: ChatTemplate
    /// The token that ends an answer.
    public let endOfTurn: TokenID

    let tokenizer: Tokenizer
    let format: TurnFormat
    /// The text between a picture and a text before or after it.
    let besidePictures: String
    /// The text between two pictures.
    let betweenPictures: String
    private let system: String

    /// A builder for conversations.
    ///
    /// - Parameters:
    ///   - template: the model's own, or the user's choice.
    ///   - system: The system prompt; nil for the template's own, empty for none.
    ///   - besidePictures: The text between a picture and its neighbours where no marker places it. In LLaVA's training
    ///     each picture had a line of its own; other families have nothing there.
    /// - Throws: `TokenizationError.unknownTemplate` if `template` is nil, and
    ///   `TokenizationError.templateNeedsToken` if the vocabulary lacks one of its tokens.
    public init(
        template: ChatTemplate?, tokenizer: Tokenizer, system: String? = nil,
        besidePictures: String = "\n"
    ) throws(TokenizationError) {
        guard let template else {
            throw .unknownTemplate(
                file: tokenizer.fileName, choices: ChatTemplate.allCases.map(\.rawValue))
        }
        let format = try template.format(for: tokenizer)
        for token in format.tokens + [format.endOfTurn]
        where tokenizer.encode(token, parseSpecial: true).count != 1 {
            throw .templateNeedsToken(
                file: tokenizer.fileName, template: template.rawValue, token: token)
        }
        self.template = template
        self.tokenizer = tokenizer
        self.format = format
        self.besidePictures = besidePictures
        betweenPictures = format.betweenPictures ?? besidePictures
        self.system = system ?? format.defaultSystem
        endOfTurn = tokenizer.encode(format.endOfTurn, parseSpecial: true)[0]
    }

    /// The first question of a conversation, up to the start of the answer.
    ///
    /// - Parameter pictures: The number of pictures.
    /// - Throws: `TokenizationError.pictureCount` if the question has markers for another number.
    public func firstTurn(
        _ question: String, pictures: Int
    ) throws(TokenizationError) -> [PromptPiece] {
        tokenizer.begun(tokenizer.pieces(opening + (try turn(question, pictures))))
    }

    /// What comes before the first question.
    var opening: [PromptPart] {
        let start = PromptPart.template(format.start)
        let prefix = PromptPart.template(format.userPrefix)
        guard !system.isEmpty else { return [start, prefix] }
        let system: [PromptPart] = [
            .template(format.systemPrefix), .user(system), .template(format.systemSuffix),
        ]
        return format.systemIsPartOfQuestion
            ? [start, prefix] + system : [start] + system + [prefix]
    }

    /// What comes before a question that has an answer before it.
    var reopening: [PromptPart] {
        [.template(format.endOfTurn + format.separator + format.userPrefix)]
    }

    /// The end of an answer, and the next question up to the start of its answer.
    ///
    /// - Parameters:
    ///   - pictures: The number of pictures that come with this question.
    ///   - afterEndOfTurn: Whether the model has already read `endOfTurn`. It has not if the answer was cut.
    /// - Throws: `TokenizationError.pictureCount` if the question has markers for another number.
    public func nextTurn(
        _ question: String, pictures: Int, afterEndOfTurn: Bool
    ) throws(TokenizationError) -> [PromptPiece] {
        var pieces = tokenizer.pieces(reopening + (try turn(question, pictures)))
        // It is always encoded, because the encoding of the text after it may depend on it.
        if afterEndOfTurn, case .tokens(let tokens) = pieces.first {
            pieces[0] = .tokens(Array(tokens.dropFirst()))
        }
        return pieces
    }

    /// A question with its pictures, up to the start of the answer.
    private func turn(
        _ question: String, _ pictures: Int
    ) throws(TokenizationError) -> [PromptPart] {
        let texts = splitAtPictureMarkers(question)
        guard texts.count > 1 else {
            return turn(
                separated((0..<pictures).map { PromptPart.picture($0) } + [.user(question)]))
        }
        try checkMarkers(texts.count - 1, pictures: pictures)
        let parts = interleavingPictures(texts.map { .user($0) })
        return turn(texts[0].isEmpty ? Array(parts.dropFirst()) : parts)
    }

    /// The parts of a question with the texts between them.
    func separated(_ question: [PromptPart]) -> [PromptPart] {
        question.prefix(1)
            + zip(question, question.dropFirst()).flatMap { part, next -> [PromptPart] in
                switch (part, next) {
                case (.picture, .picture): [.template(betweenPictures), next]
                case (.picture, _), (_, .picture): [.template(besidePictures), next]
                default: [.template("\n"), next]
                }
            }
    }

    /// The parts of a question with what the template puts before and after them.
    func turn(_ question: [PromptPart]) -> [PromptPart] {
        let suffix = PromptPart.template(format.userSuffix)
        if case .picture = question.first { return question + [suffix] }
        return [.template(format.textPrefix)] + question + [suffix]
    }
}

extension Tokenizer {
    /// The tokens of exactly this text, with no template around it.
    ///
    /// Special tokens in the text are recognised, and `<image>` places the next picture. A begin token is added if
    /// the vocabulary asks for one and the text has none.
    ///
    /// - Throws: `TokenizationError.pictureCount` if the text has markers for another number.
    public func rawPrompt(
        _ text: String, pictures: Int
    ) throws(TokenizationError) -> [PromptPiece] {
        let texts = splitAtPictureMarkers(text)
        try checkMarkers(texts.count - 1, pictures: pictures)
        return begun(pieces(interleavingPictures(texts.map { .template($0) })))
    }

    /// The same input with the token before it that the model expects, unless it begins with that one.
    func begun(_ input: [PromptPiece]) -> [PromptPiece] {
        guard addsBeginOfSequence, let begin = beginOfSequence else { return input }
        guard case .tokens(let tokens) = input.first else { return [.tokens([begin])] + input }
        return tokens.first == begin
            ? input : [.tokens([begin] + tokens)] + input.dropFirst()
    }

    /// Encodes each text between pictures on its own.
    func pieces(_ parts: [PromptPart]) -> [PromptPiece] {
        var pieces: [PromptPiece] = []
        var stretch: [TextSegment] = []
        func endStretch() {
            let tokens = encode(stretch)
            if !tokens.isEmpty { pieces.append(.tokens(tokens)) }
            stretch = []
        }
        for part in parts {
            switch part {
            case .template(let text): stretch.append(TextSegment(text, parsesSpecial: true))
            case .user(let text): stretch.append(TextSegment(text, parsesSpecial: false))
            case .picture(let index):
                endStretch()
                pieces.append(.picture(index))
            }
        }
        endStretch()
        return pieces
    }
}

/// A part of a prompt before it is encoded.
enum PromptPart {
    case template(String)
    case user(String)
    case picture(Int)
}

/// The texts before, between and after the markers.
///
/// Markers are searched as bytes: a combining mark after one would hide it from a search by characters.
private func splitAtPictureMarkers(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    let marker = Array(PromptBuilder.pictureMarker.utf8)
    var texts: [String] = []
    var start = 0
    var index = 0
    while index + marker.count <= bytes.count {
        if bytes[index] == marker[0], bytes[index...].starts(with: marker) {
            texts.append(String(decoding: bytes[start..<index], as: UTF8.self))
            index += marker.count
            start = index
        } else {
            index += 1
        }
    }
    return texts + [String(decoding: bytes[start...], as: UTF8.self)]
}

private func checkMarkers(_ markers: Int, pictures: Int) throws(TokenizationError) {
    guard markers == pictures else {
        throw .pictureCount(markers: markers, pictures: pictures)
    }
}

/// The texts with a picture between each two.
private func interleavingPictures(_ texts: [PromptPart]) -> [PromptPart] {
    texts.enumerated().flatMap { index, text in
        index == 0 ? [text] : [.picture(index - 1), text]
    }
}
